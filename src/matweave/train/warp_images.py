"""Images read at other places: the geometry behind augmentation, without anything random.

Places are in pixels from the middle of the image, (right, down); the middle of an image of even side lies between two pixels.
`warped` reads between pixels (bilinear, one pass of torch's grid_sample), `moved` copies whole pixels.

Cost        O(pixels): of 128 × 1 × 28 × 28 on 1 thread less than 1 ms either way.
Checked by  tests/by_hand/augment.py (one place at a time), rot90, roll and flip, at the borders and with odd and even,
            unequal sides, contiguous against channels-last: tests/train/test_warp_images.py.
"""

from __future__ import annotations

from matweave.deep import Tensor, functional, torch


def warped(x: Tensor, maps: Tensor, fill: Tensor, bent: Tensor | None = None) -> Tensor:
    """Images read bilinearly at the places that their maps say; what lies outside is `fill`.

    x: float (n, channels, height, width). maps: (n, 2, 3), from places of the result (right, down, 1) to places of the image,
    in pixels from the middle. fill: broadcast against (n, channels, 1, 1). bent: (n, 2, height, width), added to the places.

    >>> left = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    >>> warped(torch.tensor([[[[0.0, 2.0, 4.0]]]]), left, torch.zeros(1, 1, 1, 1)).tolist()
    [[[[1.0, 3.0, 2.0]]]]
    """
    height, width = x.shape[2:]
    maps, unit = maps.to(x.device, x.dtype), x.new_tensor([[2 / width], [2 / height]])
    maps = maps * unit  # the image reaches from -1 to 1 to grid_sample, either way
    right, down = (torch.arange(n, device=x.device, dtype=x.dtype) - (n - 1) / 2 for n in (width, height))
    along = (maps[:, :, 0, None] * right)[:, :, None]
    places = along + (maps[:, :, 1, None] * down + maps[:, :, 2, None])[..., None]  # (n, 2, height, width)
    if bent is not None:
        places.addcmul_(bent, unit[:, :, None])
    # outside is 0 to grid_sample: so background must be 0 while it reads
    read = functional.grid_sample(x - fill, places.permute(0, 2, 3, 1), align_corners=False)
    return read.add_(fill)


def moved(x: Tensor, maps: Tensor, fill: Tensor) -> Tensor:
    """Images whose pixels are copied along maps that mirror left to right and move by whole pixels, no more.

    Shapes as in `warped`; places are rounded, and nothing is interpolated.

    >>> right = torch.tensor([[[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]])
    >>> moved(torch.tensor([[[[1.0, 2.0, 3.0]]]]), right, torch.full((1, 1, 1, 1), 9.0)).tolist()
    [[[[9.0, 1.0, 2.0]]]]
    """
    n, channels, height, width = x.shape
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    columns = maps[:, 0, 0, None] * (torch.arange(width) - middle[0]) + maps[:, 0, 2, None] + middle[0]
    rows = torch.arange(height) + maps[:, 1, 2, None]
    columns, rows = columns.round().long().to(x.device), rows.round().long().to(x.device)
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[
        :, None, None
    ]
    places = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]
    found = x.flatten(2).gather(2, places.view(n, 1, -1).expand(n, channels, -1)).view_as(x)
    return torch.where(inside, found, fill)


def boxes(top: Tensor, bottom: Tensor, left: Tensor, right: Tensor, height: int, width: int) -> Tensor:
    """Where one box per image lies, bool (n, 1, height, width); bottom and right are the first places beyond.

    >>> top, bottom, left, right = torch.tensor([[0.0], [1.0], [1.0], [9.0]])
    >>> boxes(top, bottom, left, right, 2, 3).int().tolist()
    [[[[0, 1, 1], [0, 0, 0]]]]
    """
    rows, columns = torch.arange(height), torch.arange(width)
    tall = (rows >= top[:, None]) & (rows < bottom[:, None])
    wide = (columns >= left[:, None]) & (columns < right[:, None])
    return (tall[:, :, None] & wide[:, None])[:, None]


def border(x: Tensor) -> Tensor:
    """The median of each image's outermost pixels by channel, (n, channels, 1, 1): what its background looks like.

    >>> border(torch.tensor([[[[5.0, 5.0, 1.0], [5.0, 9.0, 5.0], [5.0, 5.0, 2.0]]]])).item()
    5.0
    """
    height, width = x.shape[2:]
    rows, columns = (
        x[:, :, :: max(height - 1, 1)],
        x[:, :, 1:-1, :: max(width - 1, 1)],
    )  # a side of 1 counts once
    edge = torch.cat([rows.flatten(2), columns.flatten(2)], 2)
    middle = (edge.shape[2] - 1) // 2
    if x.device.type == "cpu":
        return edge.median(2).values[:, :, None, None]
    return edge.sort(2).values[:, :, middle, None, None]  # the median's places are not deterministic on CUDA
