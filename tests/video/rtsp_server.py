"""A small RTSP server (RFC 2326, RTP interleaved over TCP) in place of cameras and media servers.

It plays streams made by `h264`, and takes streams that are pushed to it, which are then played like the others. Run as a
program it does so in a process of its own, and prints its port: PyAV holds the interpreter's lock while it opens an output.
"""

import contextlib
import io
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import av
import numpy as np
from numpy.typing import NDArray

_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n"


@dataclass(eq=False)
class Stream:
    """What is played under a path.

    Args:
        sdp: describes it.
        packets: (seconds from its beginning, channel, RTP or RTCP packet).
        stay: seconds for which the connection stays open, and silent, when all has been played.
    """

    sdp: str = _SDP
    packets: list[tuple[float, int, bytes]] = field(default_factory=list)
    stay: float = 0.0


class _Datagrams(io.RawIOBase):
    """Takes what FFmpeg's RTP muxer writes, which is one packet at a time."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._put(bytes(data))
        return len(data)


def h264(images: Iterable[NDArray[np.uint8]], rate: int = 25, gop: int = 10, skip: int = 0, stay: float = 0.0) -> Stream:
    """A stream of these (H, W, 3) uint8 RGB pictures; with ``skip`` it is joined so many frames late, as any camera's is.

    The parameter sets come with each key frame and are not in the description, as with many cameras.
    """
    stream, n, now = Stream(stay=stay), 0, 0.0

    def put(packet: bytes) -> None:
        # RTCP's types lie where no RTP payload type of ours does (RFC 5761).
        if n > skip:
            stream.packets.append((now, int(200 <= packet[1] <= 204), packet))

    with av.open(_Datagrams(put), "w", format="rtp", container_options={"packetsize": "1200"}) as out:
        video = None
        for image in images:
            if video is None:
                options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "12", "x264-params": f"keyint={gop}:scenecut=0"}
                video = out.add_stream("libx264", rate=rate, options=options)
                video.height, video.width = image.shape[:2]
                video.pix_fmt = "yuv420p"
            now, n = max(0, n - skip) / rate, n + 1
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
    return stream


class RtspServer(socketserver.ThreadingTCPServer):
    """Answers players and pushers on a free port of 127.0.0.1 while its context is entered.

    Args:
        streams: by path; a path that is not there is 404 Not Found, unless a stream is pushed to it.
        silent: whether it takes connections and never says a word.

    `requests` are the methods that it was asked for, in order; `drop` ends all connections, as a camera's that is unplugged;
    while `away` is set it takes no new ones.
    """

    allow_reuse_address = True
    # The threads are joined by server_close, so that a test leaves none behind.
    daemon_threads, block_on_close = False, True

    def __init__(self, streams: dict[str, Stream] | None = None, silent: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.streams, self.silent, self.away = streams or {}, silent, False
        self.requests: list[str] = []
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="rtsp server")

    def url(self, path: str = "/cam", user: str = "") -> str:
        return f"rtsp://{user}127.0.0.1:{self.server_address[1]}{path}"

    def __enter__(self) -> "RtspServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.drop()
        self.server_close()

    def drop(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def verify_request(self, request: object, client_address: object) -> bool:
        return not self.away

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)


class _Handler(socketserver.StreamRequestHandler):
    """One connection: requests and packets come in, answers and packets go out."""

    server: RtspServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self._over, self._writing = threading.Event(), threading.Lock()
        self._sender: threading.Thread | None = None
        self._recorded: Stream | None = None
        # A peer that goes away is what many of these tests are about.
        with contextlib.suppress(OSError):
            while (first := self.rfile.read(1)) and not self._over.is_set():
                if first == b"$":
                    self._take()
                elif not self.server.silent:
                    self._answer(first + self.rfile.readline())
        self._over.set()
        if self._sender is not None:
            self._sender.join()

    def _take(self) -> None:
        channel, *size = self.rfile.read(3)
        packet = self.rfile.read(int.from_bytes(size, "big"))
        if self._recorded is not None:
            self._recorded.packets.append((0.0, channel, packet))

    def _answer(self, line: bytes) -> None:
        method, url, _ = line.decode().split()
        heads = dict(head.split(": ", 1) for head in iter(lambda: self.rfile.readline().decode().strip(), ""))
        body = self.rfile.read(int(heads.get("Content-Length", 0))).decode()
        path = "/" + urlsplit(url).path.strip("/").split("/")[0]
        self.server.requests.append(method)
        if method == "ANNOUNCE":
            self.server.streams[path] = self._recorded = Stream(body)
        stream = self.server.streams.get(path)
        more, text = [f"CSeq: {heads['CSeq']}", "Session: 1"], ""
        if method == "OPTIONS":
            more.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, ANNOUNCE, RECORD, TEARDOWN")
        elif method == "DESCRIBE" and stream is not None:
            text, more = stream.sdp, [*more, "Content-Type: application/sdp", f"Content-Base: {url}/"]
        elif method == "SETUP":
            more.append(f"Transport: {heads['Transport'].split(',')[0]}")
        status = "200 OK" if stream is not None or method == "OPTIONS" else "404 Not Found"
        self._send("\r\n".join([f"RTSP/1.0 {status}", *more, f"Content-Length: {len(text)}", "", text]).encode())
        if method == "PLAY" and stream is not None:
            self._sender = threading.Thread(target=self._play, args=(stream,), name="rtsp sender")
            self._sender.start()
        elif method == "TEARDOWN":
            self._over.set()

    def _play(self, stream: Stream) -> None:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for due, channel, packet in stream.packets:
                if self._over.wait(max(0.0, began + due - time.monotonic())):
                    return
                self._send(b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet)
            self._over.wait(stream.stay)
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, data: bytes) -> None:
        with self._writing:
            self.connection.sendall(data)


def main() -> None:
    """Serve until standard input ends."""
    with RtspServer() as server:
        print(server.server_address[1], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
