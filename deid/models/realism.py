"""A critic that distinguishes photos of faces from noise, smears and other inputs that fool recognisers."""

from torch import Tensor, nn


class RealismCritic(nn.Module):
    """Aligned crops to one logit: positive for a photo.

    It looks at full resolution, where cross-hatching and noise show, and keeps what it saw in its place: in an aligned
    crop eyes and mouth have theirs, and a smear there is missing sharpness.

    Args:
        width: channels of the first convolution.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.width = width
        widths = [width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for n_in, n_out in zip([3, *widths[:3]], widths, strict=True):
            layers += [nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(widths[-1] * 64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, 128, 128) in [-1, 1], RGB, to logits (N,)."""
        return self.head(self.layers(images)).squeeze(1)  # type: ignore[no-any-return]
