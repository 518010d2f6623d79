"""Anonymize inside a torchvision pipeline, in the worker processes of a DataLoader.

    python examples/torchvision_transform.py

What stands beside the picture, such as boxes, passes through and stays right.
"""

import numpy as np
import torch
from skimage import data
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from deid import Options
from deid.transforms import Anonymize


class Portraits(Dataset):
    """Two pictures of one astronaut, with the box of her face."""

    def __init__(self, transform: v2.Transform) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        picture = np.ascontiguousarray(data.astronaut()[:256, 100:356])
        image = tv_tensors.Image(torch.from_numpy(picture).permute(2, 0, 1))
        boxes = tv_tensors.BoundingBoxes([[76, 70, 172, 200]], format="XYXY", canvas_size=(256, 256))
        return self.transform(image, boxes)


if __name__ == "__main__":
    # First of all: what comes after may crop or blur a face so that it is not found any more.
    transform = v2.Compose([Anonymize(Options(method="blur")), v2.Resize((128, 128)), v2.ToDtype(torch.float32, scale=True)])
    for images, boxes in DataLoader(Portraits(transform), batch_size=2, num_workers=0):
        print("batch", tuple(images.shape), "first box", boxes[0].tolist())
        v2.functional.to_pil_image(images[0]).save("torchvision.png")
    print("torchvision.png")
