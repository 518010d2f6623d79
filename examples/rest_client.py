"""Send a photo to `deid serve`, look at what was done, correct it, save it.

    python examples/rest_client.py [ADDRESS] [PHOTO]

Without an address the example starts a server of its own. Any program can do the same: every step is one request.
"""

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image
from skimage import data


def ask(address: str, method: str = "GET", body: bytes | None = None, kind: str = "application/octet-stream") -> Any:
    """One request; JSON comes back as plain values, anything else as bytes."""
    request = urllib.request.Request(address, body, {"Content-Type": kind}, method=method)
    with urllib.request.urlopen(request) as answer:
        found = answer.read()
        return json.loads(found) if answer.headers.get_content_type() == "application/json" else found


def wait(address: str, file: str) -> dict[str, Any]:
    """Follow a file's events until nothing is done to it any more."""
    with urllib.request.urlopen(f"{address}api/files/{file}/events") as events:
        told = [json.loads(line[6:]) for line in events if line.startswith(b"data: ")]
    if told[-1]["state"] == "failed":
        raise SystemExit(told[-1]["error"])
    return dict(told[-1])


def anonymize(address: str, photo: Path, out: Path) -> None:
    """Have a photo anonymized, cover its first face with one colour, and save it."""
    session = ask(f"{address}api/sessions", "POST")["session"]
    name = urllib.parse.quote(photo.name)
    file = ask(f"{address}api/sessions/{session}/files?name={name}", "POST", photo.read_bytes())["id"]
    wait(address, file)
    faces = ask(f"{address}api/files/{file}/detections")["faces"]
    for face in faces:
        print(face["face"], face["box_xyxy"], face["done"], *face["doubts"])
    given = {"corrections": [{"action": "cover", "face": faces[0]["face"], "method": "solid"}]}
    ask(f"{address}api/files/{file}/corrections", "POST", json.dumps(given).encode(), "application/json")
    wait(address, file)
    ask(f"{address}api/files/{file}/save", "POST")
    wait(address, file)
    out.write_bytes(ask(f"{address}api/files/{file}/result"))
    print(ask(f"{address}api/files/{file}/report")["faces"][0]["done"])
    urllib.request.urlopen(urllib.request.Request(f"{address}api/sessions/{session}", method="DELETE")).close()


if __name__ == "__main__":
    address, *photos = sys.argv[1:] or [""]
    photo = Path(photos[0]) if photos else Path("astronaut.png")
    if not photos:
        Image.fromarray(data.astronaut()).save(photo)
    server = None
    if not address:
        command = [sys.executable, "-m", "deid", "serve", "--port", "0", "--method", "blur"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        address = server.stdout.readline().strip()
    try:
        anonymize(address, photo, Path("rest_client.png"))
    finally:
        if server is not None:
            server.terminate()
            server.communicate()  # It also closes the pipe.
    print("rest_client.png")
