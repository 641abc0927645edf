"""Gives the SBOM that maturin has written what a release needs: a serial number, which attestations ask for, and no folder
of the machine that made it.

    packaging/sbom.py SBOM PROGRAM
"""

import hashlib
import json
import pathlib
import sys
import uuid


def main():
    sbom, program = map(pathlib.Path, sys.argv[1:])
    repository = pathlib.Path(__file__).resolve().parent.parent
    document = json.loads(sbom.read_text().replace(f"path+file://{repository}", "path+file:///costlake"))
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, f"costlake {digest}").urn  # the same for the same program
    sbom.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
