"""A small residual network that classifies the 13 attributes of an aligned face."""

from torch import Tensor, nn
from torch.nn import functional


class _Residual(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.skip = nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        skipped = self.skip(functional.avg_pool2d(x, 2))
        return functional.relu(self.body(x) + skipped)


class AttributeClassifier(nn.Module):
    """Aligned crops to the logits of the 13 attributes.

    It looks at 64 px: the labels it learns from come from photos whose eyes are 20 px apart.

    Args:
        width: channels after the first stage.
        n_attributes: how many logits.
    """

    def __init__(self, width: int = 32, n_attributes: int = 13) -> None:
        super().__init__()
        self.width, self.n_attributes = width, n_attributes
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential(*[_Residual(i, o) for i, o in zip([width, *widths[:3]], widths, strict=True)])
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(widths[-1], n_attributes)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, 3, 128, 128) in [-1, 1], RGB, to pooled features (N, 8 * width)."""
        x = functional.avg_pool2d(images, 2)
        return self.stages(self.stem(x)).mean(dim=(2, 3))  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, 128, 128) in [-1, 1], RGB, to logits (N, 13)."""
        return self.head(self.dropout(self.features(images)))  # type: ignore[no-any-return]
