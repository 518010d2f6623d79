"""AttGAN: an encoder-decoder whose decoder is told which attributes the face shall have.

Z. He, W. Zuo, M. Kan, S. Shan, X. Chen, "AttGAN: Facial Attribute Editing by Only Changing What You Want", TIP 2019.
The module names follow the widely used PyTorch implementation, so that a checkpoint of it loads once it is safetensors.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

#: The 13 attributes in the published order. A vector of them is (..., 13) with positive = has it.
ATTRIBUTES = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "No_Beard",
    "Pale_Skin",
    "Young",
)
#: Numbers beside the attributes that say who the new person is; all 0 asks for the same person.
N_CODES = 16
CROP_SIZE = 128
_LAYERS = 5
_MAX_WIDTH = 1024


def inverted(sets: Tensor) -> Tensor:
    """The vector (N, 13 + codes) of the second pass: every attribute the other way, the same new person."""
    n = len(ATTRIBUTES)
    return torch.cat([-sets[:, :n], sets[:, n:]], dim=1)


class _ConvBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, norm: nn.Module | None) -> None:
        super().__init__()
        conv = nn.Conv2d(n_in, n_out, 4, 2, 1, bias=norm is None)
        self.layers = nn.Sequential(conv, *([norm] if norm else []), nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


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
    """Encoder and decoder with one shortcut (8x8) and one injection of the attributes.

    Args:
        width: channels of the first convolution; 64 in the paper.
        n_attributes: how many attributes.
        n_codes: how many numbers of an identity code follow them; none in the paper.
        ranks: channels to which the inputs of the first decoder layers are brought before they are spread, which halves the
            work (M. Jaderberg et al., "Speeding up Convolutional Neural Networks with Low Rank Expansions", BMVC 2014); none in
            the paper.
    """

    def __init__(self, width: int = 64, n_attributes: int = len(ATTRIBUTES), n_codes: int = 0, ranks: Sequence[int] = ()) -> None:
        super().__init__()
        self.width, self.n_attributes, self.n_codes, self.ranks = width, n_attributes, n_codes, tuple(ranks)
        n_wanted = n_attributes + n_codes
        widths = [min(width * 2**i, _MAX_WIDTH) for i in range(_LAYERS)]
        self.enc_layers = nn.ModuleList(_ConvBlock(i, o, nn.BatchNorm2d(o)) for i, o in pairwise([3, *widths]))
        blocks: list[nn.Module] = []
        n_in = widths[-1] + n_wanted
        for i in range(_LAYERS - 1):
            n_out = widths[_LAYERS - 1 - i]
            blocks.append(_UpBlock(n_in, n_out, self.ranks[i] if i < len(self.ranks) else None))
            # After the first decoder layer the encoder's 8x8 map and the attributes join.
            n_in = n_out + (widths[_LAYERS - 2] + n_wanted if i == 0 else 0)
        blocks.append(_UpBlock(n_in, 3, None, last=True))
        self.dec_layers = nn.ModuleList(blocks)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, 128, 128) in [-1, 1], RGB, to the codes (8x8 map, 4x4 map) that `decode` takes."""
        z = images
        for layer in self.enc_layers[:-1]:
            z = layer(z)
        return z, self.enc_layers[-1](z)

    def decode(self, codes: tuple[Tensor, Tensor], wanted: Tensor) -> Tensor:
        """Codes of N faces and what is wanted of them (N, 13 attributes + identity code) to images (N, 3, 128, 128) in [-1, 1]."""
        shortcut, z = codes
        tile = wanted[:, :, None, None].to(z.dtype)
        z = torch.cat([z, tile.expand(-1, -1, *z.shape[2:])], dim=1)
        z = self.dec_layers[0](z)
        z = torch.cat([z, shortcut, tile.expand(-1, -1, *z.shape[2:])], dim=1)
        for layer in self.dec_layers[1:]:
            z = layer(z)
        return z

    def forward(self, images: Tensor, wanted: Tensor) -> Tensor:
        return self.decode(self.encode(images), wanted)


class Discriminator(nn.Module):
    """Tells real from edited, for the whole face and for patches of about 22 px, and reads the attributes.

    Unlike the paper's, it has a second head on the 16x16 map that looks at texture alone, and a narrow joint layer: the
    paper's 4x4x1024 -> 1024 layer holds most of its 44.7 M parameters. And it is told the attributes that the face shall have
    (T. Miyato, M. Koyama, "cGANs with Projection Discriminator", ICLR 2018): a moustache is real, but not on every face.

    Args:
        width: channels of the first convolution.
        n_attributes: length of the attribute vector.
    """

    def __init__(self, width: int = 64, n_attributes: int = len(ATTRIBUTES)) -> None:
        super().__init__()
        widths = [min(width * 2**i, _MAX_WIDTH) for i in range(_LAYERS)]
        # Instance norm would hide from the texture head what it looks at: how much fine detail there is.
        self.texture = nn.ModuleList(_ConvBlock(i, o, None) for i, o in pairwise([3, *widths[:3]]))
        for module in self.texture.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.2)
        self.patch = nn.Conv2d(widths[2], 1, 1)
        self.whole = nn.ModuleList(_ConvBlock(i, o, nn.InstanceNorm2d(o, affine=True)) for i, o in pairwise(widths[2:]))
        side = CROP_SIZE // 2**_LAYERS
        self.joint = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * side * side, 8 * width), nn.LeakyReLU(0.2))
        self.real = nn.Linear(8 * width, 1)
        self.fits = nn.Linear(n_attributes, 8 * width, bias=False)
        self.attributes = nn.Linear(8 * width, n_attributes)

    def forward(self, images: Tensor, attributes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (N, 3, 128, 128) in [-1, 1] that shall have attributes (N, 13) to logits: real (N, 1), real per patch
        (N, 1, 16, 16), attributes (N, 13)."""
        z = images
        for layer in self.texture:
            z = layer(z)
        patch = self.patch(z)
        for layer in self.whole:
            z = layer(z)
        z = self.joint(z)
        real = self.real(z) + (self.fits(attributes) * z).mean(dim=1, keepdim=True)
        return real, patch, self.attributes(z)
