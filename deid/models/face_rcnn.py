"""Faster R-CNN with a MobileNetV3-Large feature pyramid, cut down to faces.

S. Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks", NeurIPS 2015;
A. Howard et al., "Searching for MobileNetV3", ICCV 2019; T.-Y. Lin et al., "Feature Pyramid Networks for Object
Detection", CVPR 2017.
"""

from typing import Any

from torch import Tensor, nn
from torchvision.models import mobilenet_v3_large
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

#: Where the backbone's maps of stride 8, 16 and 32 end, and their channels.
_LAYERS = {"6": "0", "12": "1", "16": "2"}
_LAYER_CHANNELS = [40, 112, 960]
#: Widths of the anchors at strides 8, 16, 32 and 64. Faces are taller than wide, and hardly vary in that.
_ANCHOR_SIZES = ((12, 20), (32, 52), (84, 136), (220, 340))
_ANCHOR_RATIO = 1.3
#: Cells of a region across, and the face size in pixels from which its features come from stride 16 (from twice that: 32).
_ROI_SIDE, _ROI_SCALE = 7, 80


class _SizeKept(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Normalises and batches, but resizes nothing: the caller knows how large a face must be."""

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


class FaceRcnn(nn.Module):
    """Images to face boxes with scores; trained from nothing, so its batch norms learn.

    Args:
        channels: of the feature pyramid.
        head: of the box head's two layers.
    """

    def __init__(self, channels: int = 96, head: int = 256) -> None:
        super().__init__()
        backbone = mobilenet_v3_large(weights=None).features
        pyramid = BackboneWithFPN(backbone, _LAYERS, _LAYER_CHANNELS, channels, LastLevelMaxPool())
        self.network = FasterRCNN(
            pyramid,
            rpn_anchor_generator=AnchorGenerator(_ANCHOR_SIZES, ((_ANCHOR_RATIO,),) * len(_ANCHOR_SIZES)),
            box_roi_pool=MultiScaleRoIAlign(list(_LAYERS.values()), _ROI_SIDE, 1, canonical_scale=_ROI_SCALE),
            box_head=TwoMLPHead(channels * _ROI_SIDE**2, head),
            box_predictor=FastRCNNPredictor(head, 2),
            rpn_fg_iou_thresh=0.5,
            rpn_bg_iou_thresh=0.3,
            rpn_batch_size_per_image=128,
            rpn_pre_nms_top_n_train=500,
            rpn_post_nms_top_n_train=300,
            rpn_pre_nms_top_n_test=400,
            rpn_post_nms_top_n_test=300,
            box_batch_size_per_image=64,
            box_positive_fraction=0.33,
            box_nms_thresh=0.4,
            box_detections_per_img=300,
        )
        self.network.transform = _SizeKept(0, 0, [0.5] * 3, [0.25] * 3)

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Faces, or in training mode losses.

        Args:
            images: (3, H, W) each, RGB in [0, 1].
            targets: in training mode, per image ``boxes`` (N, 4) xyxy pixels and ``labels`` (N,), all 1.

        Returns:
            Per image ``boxes`` (N, 4) and ``scores`` (N,), best first; in training mode a dict of four losses.
        """
        return self.network(images, targets)
