"""AttGAN: an encoder-decoder whose decoder receives the attributes that the face must have.

Z. He, W. Zuo, M. Kan, S. Shan, X. Chen, "AttGAN: Facial Attribute Editing by Only Changing What You Want", TIP 2019.
The module names follow the widely used PyTorch implementation, so that a checkpoint of it loads once it is safetensors.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

#: Side of the faces in pixels, and how many attributes are moved (`deid.core.attributes`).
_SIDE, _ATTRIBUTES = 128, 13
_LAYERS = 5
_MAX_WIDTH = 1024


def inverted(sets: Tensor) -> Tensor:
    """The sets (N, 13) of the second pass: every attribute the other way, so that gender comes back."""
    return -sets


class _ConvBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, norm: nn.Module | None) -> None:
        super().__init__()
        conv = nn.Conv2d(n_in, n_out, 4, 2, 1, bias=norm is None)
        self.layers = nn.Sequential(conv, *([norm] if norm else []), nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class _UpBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, rank: int | None, last: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ConvTranspose2d(n_in if rank is None else rank, n_out, 4, 2, 1, bias=last)]
        if rank is not None:
            layers.insert(0, nn.Conv2d(n_in, rank, 1, bias=False))
        layers += [nn.Tanh()] if last else [nn.BatchNorm2d(n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class Generator(nn.Module):
    """Encoder and decoder with shortcuts from the 8x8 map on and one injection of the attributes.

    Args:
        width: channels of the first convolution; 64 in the paper.
        n_attributes: how many attributes.
        ranks: channels to which the inputs of the first decoder layers are brought before they are spread, which halves the
            work (M. Jaderberg et al., "Speeding up Convolutional Neural Networks with Low Rank Expansions", BMVC 2014); none in
            the paper.
        shortcuts: how many of the encoder's maps, 1 to 4, the decoder is shown besides: the 8x8 one first, and it alone in the paper.
    """

    def __init__(self, width: int = 64, n_attributes: int = _ATTRIBUTES, ranks: Sequence[int] = (), shortcuts: int = 1) -> None:
        super().__init__()
        self.width, self.n_attributes, self.ranks, self.shortcuts = width, n_attributes, tuple(ranks), shortcuts
        widths = [min(width * 2**i, _MAX_WIDTH) for i in range(_LAYERS)]
        self.enc_layers = nn.ModuleList(_ConvBlock(i, o, nn.BatchNorm2d(o)) for i, o in pairwise([3, *widths]))
        blocks: list[nn.Module] = []
        n_in = widths[-1] + n_attributes
        for i in range(_LAYERS - 1):
            n_out = widths[_LAYERS - 1 - i]
            blocks.append(_UpBlock(n_in, n_out, self.ranks[i] if i < len(self.ranks) else None))
            # After the first decoder layer the attributes join once more.
            n_in = n_out + (widths[_LAYERS - 2 - i] if i < shortcuts else 0) + (n_attributes if i == 0 else 0)
        blocks.append(_UpBlock(n_in, 3, None, last=True))
        self.dec_layers = nn.ModuleList(blocks)

    def encode(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, 128, 128) in [-1, 1], RGB, to the maps that `decode` takes: the shortcuts, then the bottleneck (4x4)."""
        maps = [images]
        for layer in self.enc_layers:
            maps.append(layer(maps[-1]))
        return tuple(maps[-1 - self.shortcuts :])

    def decode(self, maps: tuple[Tensor, ...], wanted: Tensor) -> Tensor:
        """Maps of N faces and what is wanted of them (N, 13) to images (N, 3, 128, 128) in [-1, 1]."""
        *shortcuts, z = maps
        tile = wanted[:, :, None, None].to(z.dtype)
        z = self.dec_layers[0](torch.cat([z, tile.expand(-1, -1, *z.shape[2:])], dim=1))
        z = torch.cat([z, shortcuts.pop(), tile.expand(-1, -1, *z.shape[2:])], dim=1)
        for layer in self.dec_layers[1:]:
            z = layer(z)
            if shortcuts:
                z = torch.cat([z, shortcuts.pop()], dim=1)
        return z

    def forward(self, images: Tensor, wanted: Tensor) -> Tensor:
        return self.decode(self.encode(images), wanted)


class Discriminator(nn.Module):
    """Distinguishes real from edited, for the whole face and for patches of about 22 px.

    Unlike the paper's, it has a second head on the 16x16 map that looks at texture alone, and a narrow joint layer: the
    paper's 4x4x1024 -> 1024 layer holds most of its 44.7 M parameters. And it reads no attributes: a generator meets such a
    judge with dots that only judges read.

    Args:
        width: channels of the first convolution.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [min(width * 2**i, _MAX_WIDTH) for i in range(_LAYERS)]
        # Instance norm would hide the amount of fine detail, which the texture head judges.
        self.texture = nn.Sequential(*(_ConvBlock(i, o, None) for i, o in pairwise([3, *widths[:3]])))
        for module in self.texture.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.2)
        self.patch = nn.Conv2d(widths[2], 1, 1)
        self.whole = nn.Sequential(*(_ConvBlock(i, o, nn.InstanceNorm2d(o, affine=True)) for i, o in pairwise(widths[2:])))
        side = _SIDE // 2**_LAYERS
        self.joint = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * side * side, 8 * width), nn.LeakyReLU(0.2), nn.Linear(8 * width, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, 128, 128) in [-1, 1] to logits: real (N, 1), and real per patch (N, 1, 16, 16)."""
        z = self.texture(images)
        return self.joint(self.whole(z)), self.patch(z)


class TwoPasses(nn.Module):
    """Both passes of AttGAN over faces: every attribute one way, then the other."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor, sets: Tensor) -> Tensor:
        """Faces (N, 128, 128, 3) in [0, 255] under sets (k N, 13) to (k N, 128, 128, 3) in [0, 255], not rounded.

        The first N sets are for the faces in order, and so are the next.
        """
        # A face that several sets edit is encoded once.
        codes = self.network.encode(pixels.permute(0, 3, 1, 2) / 127.5 - 1.0)
        times = sets.shape[0] // pixels.shape[0]
        first = self.network.decode(tuple(z.repeat(times, 1, 1, 1) for z in codes), sets)
        second = self.network(first, inverted(sets))
        made: Tensor = (second.clamp(-1, 1) + 1) * 127.5
        return made.permute(0, 2, 3, 1)
