"""Every error that deid raises on purpose.

DeidError
├── ConfigError          an option has no such name or value
├── ImageError           a picture cannot be read or written
│   ├── ImageReadError
│   └── ImageWriteError
├── VideoError           a video or stream cannot be read or written
│   ├── VideoReadError
│   └── VideoWriteError
├── DetectionError       a detector failed or gave something that is not a face box
├── EditError            an editor failed or gave something that is not a face crop
├── WeightsError         a weights file cannot be used
│   ├── WeightsMissingError
│   ├── WeightsHashError
│   └── WeightsFormatError
├── DataError            a data set cannot be used
└── DependencyError      an optional package is not installed
"""


class DeidError(Exception):
    """Base of every error raised on purpose."""


class ConfigError(DeidError):
    """An option has no such name or value."""


class ImageError(DeidError):
    """A picture cannot be used."""


class ImageReadError(ImageError):
    """A picture cannot be read."""


class ImageWriteError(ImageError):
    """A picture cannot be written."""


class VideoError(DeidError):
    """A video or stream cannot be used."""


class VideoReadError(VideoError):
    """A video or stream cannot be read."""


class VideoWriteError(VideoError):
    """A video or stream cannot be written."""


class DetectionError(DeidError):
    """A detector failed, or gave something that is not a face box."""


class EditError(DeidError):
    """An editor failed, or gave something that is not a face crop."""


class WeightsError(DeidError):
    """A weights file cannot be used."""


class WeightsMissingError(WeightsError):
    """A weights file is not there."""


class WeightsHashError(WeightsError):
    """A weights file is not the one that the manifest, or a package's known release, names."""


class WeightsFormatError(WeightsError):
    """A weights file does not hold the expected architecture."""


class DataError(DeidError):
    """A data set cannot be used."""


class DependencyError(DeidError):
    """An optional package is not installed."""
