//! What watches servers and agents: rules and routes as their own tools see them, and a real Prometheus while things break.

#[path = "monitoring/live.rs"]
mod live;
#[path = "monitoring/prometheus.rs"]
mod prometheus;
#[path = "monitoring/static_checks.rs"]
mod static_checks;
