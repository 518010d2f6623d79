"""The kinds of files that videos are written as."""

#: Suffixes of the videos that are read and written, with FFmpeg's name of the container.
CONTAINERS = {
    ".avi": "avi",
    ".flv": "flv",
    ".m4v": "mp4",
    ".mkv": "matroska",
    ".mov": "mov",
    ".mp4": "mp4",
    ".mpeg": "mpeg",
    ".mpg": "mpeg",
    ".ts": "mpegts",
    ".webm": "webm",
    ".wmv": "asf",
}
