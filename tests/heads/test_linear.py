from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.heads import LinearHead

HEAD = {"type": "rs_adapt.LinearHead", "num_classes": 3}


def head(num_classes: int = 3) -> LinearHead:
    torch.manual_seed(0)
    built = LinearHead(in_channels=[16] * 4, num_classes=num_classes)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter)
    return built


def test_equals_one_convolution_on_concatenated_levels(pyramid: Callable[..., list[Tensor]]) -> None:
    features, linear = pyramid(grid=(5, 7)), head()
    normed = [norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) for x, norm in zip(features, linear.norms, strict=True)]
    size = features[0].shape[-2:]
    stacked = torch.cat([F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in normed], dim=1)
    weight = torch.cat([classifier.weight for classifier in linear.classifiers], dim=1)
    plain = F.conv2d(stacked, weight[..., None, None], linear.classifiers[0].bias)
    torch.testing.assert_close(linear(features), plain, atol=1e-4, rtol=1e-5)


def test_parameter_count_is_the_closed_form() -> None:
    counted = sum(p.numel() for p in LinearHead(in_channels=[1024] * 4, num_classes=7).parameters())
    assert counted == 4 * (2 * 1024 + 7 * 1024) + 7


def test_loss_of_a_zero_classifier_is_the_log_of_the_number_of_classes(
    pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]]
) -> None:
    linear = head()
    for classifier in linear.classifiers:
        torch.nn.init.zeros_(classifier.weight)
    torch.nn.init.zeros_(linear.classifiers[0].bias)
    loss = linear.loss(pyramid(), samples(torch.randint(0, 3, (2, 64, 64))), None)
    assert set(loss) == {"loss_ce"}
    torch.testing.assert_close(loss["loss_ce"], torch.tensor(3.0).log())


def test_loss_is_the_mean_over_labelled_pixels(
    pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]]
) -> None:
    features, linear = pyramid(), head()
    labels = torch.randint(0, 3, (2, 64, 64))
    labels[0, :40] = 255
    logits = linear.predict(features, [{"img_shape": (64, 64)}] * 2, None)
    picked = logits.log_softmax(1).gather(1, labels.clamp(max=2)[:, None])[:, 0]
    expected = -picked[labels != 255].mean()
    torch.testing.assert_close(linear.loss(features, samples(labels), None)["loss_ce"], expected)


def test_ignored_pixels_give_no_gradient(
    pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]]
) -> None:
    features, linear = pyramid(batch=2), head()
    features = [x.requires_grad_() for x in features]
    labels = torch.randint(0, 3, (2, 64, 64))
    labels[1] = 255
    linear.loss(features, samples(labels), None)["loss_ce"].backward()
    assert all(x.grad is not None and x.grad[0].abs().sum() > 0 and not x.grad[1].any() for x in features)


def test_all_ignored_is_zero_with_gradients(
    pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]]
) -> None:
    linear = head()
    loss = linear.loss(pyramid(), samples(torch.full((2, 64, 64), 255)), None)["loss_ce"]
    loss.backward()
    assert loss == 0
    assert all(p.grad is not None and not p.grad.any() for p in linear.parameters())


def weighted(samples: list[Any], weights_BHW: Tensor) -> list[Any]:
    for sample, weight in zip(samples, weights_BHW, strict=True):
        sample.gt_weight = PixelData(data=weight[None])
    return samples


def test_pixel_weights_multiply_the_losses_and_not_their_divisor(
    pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]]
) -> None:
    features, linear = pyramid(), head()
    labels, weights = torch.randint(0, 3, (2, 64, 64)), torch.rand(2, 64, 64)
    labels[0, :40] = 255
    logits = linear.predict(features, [{"img_shape": (64, 64)}] * 2, None)
    picked = logits.log_softmax(1).gather(1, labels.clamp(max=2)[:, None])[:, 0]
    known = labels != 255
    expected = -(weights * picked)[known].sum() / known.sum()
    torch.testing.assert_close(linear.loss(features, weighted(samples(labels), weights), None)["loss_ce"], expected)


@pytest.mark.parametrize("weight", [1.0, 0.25, 0.0])
def test_one_weight_for_all_pixels_scales_the_plain_loss(
    pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]], weight: float
) -> None:
    features, linear, labels = pyramid(), head(), torch.randint(0, 3, (2, 64, 64))
    labels[1, :, 7:] = 255
    plain = linear.loss(features, samples(labels), None)["loss_ce"]
    found = linear.loss(features, weighted(samples(labels), torch.full((2, 64, 64), weight)), None)["loss_ce"]
    torch.testing.assert_close(found, weight * plain)


def test_pixels_of_weight_zero_give_no_gradient(
    pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]]
) -> None:
    features, linear = [x.requires_grad_() for x in pyramid()], head()
    weights = torch.ones(2, 64, 64)
    weights[1] = 0
    linear.loss(features, weighted(samples(torch.randint(0, 3, (2, 64, 64))), weights), None)["loss_ce"].backward()
    assert linear.takes_pixel_weights
    assert all(x.grad is not None and x.grad[0].any() and not x.grad[1].any() for x in features)


def test_permuting_classes_permutes_scores(pyramid: Callable[..., list[Tensor]]) -> None:
    features, linear, permuted, order = pyramid(), head(), head(), [2, 0, 1]
    with torch.no_grad():
        for classifier in permuted.classifiers:
            classifier.weight.copy_(classifier.weight[order].clone())
        permuted.classifiers[0].bias.copy_(linear.classifiers[0].bias[order])
    torch.testing.assert_close(permuted(features), linear(features)[:, order])


def test_prediction_does_not_depend_on_the_batch(pyramid: Callable[..., list[Tensor]]) -> None:
    features, linear = pyramid(batch=3), head().train()
    metas = [{"img_shape": (64, 64)}]
    alone = linear.predict([x[1:2] for x in features], metas, None)
    torch.testing.assert_close(linear.predict(features, metas * 3, None)[1:2], alone)


@pytest.mark.parametrize("test_cfg", [{"mode": "whole"}, {"mode": "slide", "crop_size": (64, 64), "stride": (32, 32)}])
def test_segmentor_trains_and_predicts(
    test_cfg: dict[str, Any], segmentor: Callable[..., Any], samples: Callable[[Tensor], list[Any]]
) -> None:
    model, images = segmentor(HEAD, test_cfg), torch.randn(2, 3, 96, 64)
    labels = samples(torch.randint(0, 3, (2, 96, 64)))
    loss = model(images, labels, mode="loss")
    assert set(loss) == {"decode.loss_ce"}
    loss["decode.loss_ce"].backward()
    assert all(p.grad is not None for p in model.parameters())
    with torch.no_grad():
        predicted = model.eval()(images, labels, mode="predict")
        assert predicted[0].seg_logits.data.shape == (3, 96, 64)
        assert predicted[1].pred_sem_seg.data.shape == (1, 96, 64)
        assert model(images, mode="tensor").shape == (2, 3, 24, 16)


def test_no_level_is_an_error() -> None:
    with pytest.raises(ConfigError, match="at least one level"):
        LinearHead(in_channels=[], num_classes=3)
