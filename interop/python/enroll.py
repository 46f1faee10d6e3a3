"""Enrolls a root authority as IoT Central requires it: group, certificate, code, and the proof that its key is ours.

    enroll.py READY.json ROOT.pem ROOT_KEY.pem
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from emulator import API, Emulator, encoded


def main(ready, root, root_key):
    emulator = Emulator(ready)
    group = "/api/enrollmentGroups/interop"
    certificate = f"{group}/certificates/primary"
    emulator.call(
        "PUT",
        f"{group}?{API}",
        {
            "displayName": "Interop",
            "type": "iot",
            "enabled": True,
            "attestation": {"type": "x509", "x509": {"signingCertificates": {}}},
        },
    )
    emulator.call("PUT", f"{certificate}?{API}", {"certificate": encoded(root), "verified": False})
    code = emulator.call("POST", f"{certificate}/generateVerificationCode?{API}")["verificationCode"]
    with tempfile.TemporaryDirectory() as folder:
        key, request, proof = (str(Path(folder, name)) for name in ("key.pem", "request.pem", "proof.pem"))
        for arguments in (
            f"req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={code} -keyout {key} -out {request}",
            f"x509 -req -in {request} -CA {root} -CAkey {root_key} -set_serial 99 -days 1 -out {proof}",
        ):
            subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)
        emulator.call("POST", f"{certificate}/verify?{API}", {"certificate": encoded(proof)})


if __name__ == "__main__":
    main(*sys.argv[1:])
