"""Reads dashboards by Grafana's own classes and prints the queries of their panels, one a line."""

import json
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

plugins.register_default_plugins()
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        dashboard = Dashboard.from_json(json.load(file))
    assert dashboard.uid and dashboard.title and dashboard.panels, path
    for panel in dashboard.panels:
        assert panel.title and panel.description and panel.grid_pos, (path, panel)
        assert panel.targets, (path, panel.title)
        for target in panel.targets:
            print(target.expr)
