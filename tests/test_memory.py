"""Parts: joined in order, halved where they do not fit, the same numbers all the same."""

import pytest
import torch

from lib.memory import in_parts, part_size


@pytest.mark.parametrize("room", [1, 3, 7, 100])
def test_parts_that_do_not_fit_are_halved_and_nothing_is_lost(room):
    tried = []

    def squares(part):
        tried.append(len(part))
        if len(part) > room:
            raise torch.OutOfMemoryError
        return part**2

    index = torch.arange(37)
    assert torch.equal(in_parts(squares, index, 20), index**2)
    fitting = [size for size in tried if size <= room]
    assert sum(fitting) == 37 and sorted(tried, reverse=True)[0] == 20
    assert len(tried) - len(fitting) <= 5, "what does not fit is not tried again"


def test_one_sample_that_does_not_fit_is_an_error():
    def never(part):
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        in_parts(never, torch.arange(8), 8)


def test_the_size_of_a_part_follows_from_that_of_a_sample():
    assert part_size(128, 1000) == 128
    assert part_size(128, 2**26) == 2
    assert part_size(128, 2**30) == 1
