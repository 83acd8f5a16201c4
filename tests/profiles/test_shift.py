"""Shifted images: what noise and blur do to a picture, and that each picture is distorted by itself."""

import json
import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from mdisim.profiles.build import BuildError, Shift

PLACES = np.arange(6)
SHIFTS = st.sampled_from([Shift("noise", 20.0), Shift("blur", 1.0)])


@pytest.fixture
def images():
    return np.random.default_rng(3).integers(0, 256, (6, 12, 12, 3), dtype=np.uint8)


def grey(value, n=1, size=32):
    return np.full((n, size, size, 3), value, np.uint8)


def test_noise_has_its_deviation_and_no_mean():
    noise = Shift("noise", 10.0).distorted(grey(128, n=40), np.arange(40), seed=0).astype(float) - 128
    n = noise.size
    deviation = math.sqrt(10**2 + 1 / 12)  # and what rounding adds
    assert noise.std() == pytest.approx(deviation, rel=4 / math.sqrt(2 * n))
    assert abs(noise.mean()) < 4 * deviation / math.sqrt(n)
    channels = noise.reshape(-1, 3)
    assert abs(np.corrcoef(channels.T) - np.eye(3)).max() < 4 / math.sqrt(len(channels))


def test_noise_at_another_level_is_the_same_but_for_its_size():
    weak, strong = (
        Shift("noise", sigma).distorted(grey(128), PLACES[:1], seed=0).astype(int) - 128 for sigma in (5, 20)
    )
    assert abs(strong - 4 * weak).max() <= 2  # each is rounded by at most 1/2: 1/2 + 4/2


def test_what_leaves_the_range_is_held_at_its_ends():
    bright = Shift("noise", 40.0).distorted(grey(255), PLACES[:1], seed=0)
    dark = Shift("noise", 40.0).distorted(grey(0), PLACES[:1], seed=0)
    assert 0.4 < (bright == 255).mean() < 0.6
    assert 0.4 < (dark == 0).mean() < 0.6


def test_blur_keeps_a_constant_image():
    for value in (0, 1, 127, 200, 255):
        np.testing.assert_array_equal(Shift("blur", 1.5).distorted(grey(value), PLACES[:1], 0), grey(value))


def test_blur_spreads_a_point_as_a_gaussian_does_within_its_channel():
    point = np.zeros((1, 33, 33, 3), np.uint8)
    point[0, 16, 16, 1] = 255
    blurred = Shift("blur", 1.0).distorted(point, PLACES[:1], 0)[0]
    weight = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    weight /= weight.sum()
    expected = np.zeros((33, 33))
    expected[12:21, 12:21] = 255 * np.outer(weight, weight)
    assert abs(blurred[..., 1] - expected).max() <= 0.5  # 255 x 0.1592 = 40.6 in the middle
    assert blurred[16, 16, 1] == 41
    assert not blurred[..., [0, 2]].any()


def test_blur_mirrors_the_image_at_its_edge():
    step = grey(0)
    step[:, :, 16:] = 100
    blurred = Shift("blur", 2.0).distorted(step, PLACES[:1], 0)[0, :, :, 0].astype(int)
    assert (blurred == blurred[0]).all()  # along the edge as in the middle
    assert (blurred[:, 0] == 0).all()
    assert (blurred[:, -1] == 100).all()
    np.testing.assert_array_equal(blurred + blurred[:, ::-1], 100)
    assert (np.diff(blurred[0]) >= 0).all()


@examples(25)
@given(shift=SHIFTS, order=st.permutations(range(6)), kept=st.integers(1, 6))
def test_neither_order_nor_company_matters(shift, order, kept):
    images = np.random.default_rng(3).integers(0, 256, (6, 12, 12, 3), dtype=np.uint8)
    whole = shift.distorted(images, PLACES, seed=4)
    chosen = np.array(order[:kept])
    np.testing.assert_array_equal(shift.distorted(images[chosen], chosen, seed=4), whole[chosen])


def test_noise_depends_on_seed_and_place_and_the_images_stay_as_they_were(images):
    before = images.copy()
    shift = Shift("noise", 20.0)
    first = shift.distorted(images, PLACES, seed=0)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(first, shift.distorted(images, PLACES, seed=0))
    assert (first != shift.distorted(images, PLACES, seed=1)).any(axis=(1, 2, 3)).all()
    assert (first != shift.distorted(images, PLACES + 6, seed=0)).any(axis=(1, 2, 3)).all()


def test_a_shift_is_read_as_it_is_typed():
    for text in ("noise=20", "blur=0.5"):
        assert str(Shift.parsed(text)) == text
    assert Shift.parsed("noise=20") == Shift("noise", 20.0, ("test",))
    both = Shift.parsed("blur=1", ("calibration", "test"))
    assert json.loads(json.dumps(both.described())) == {
        "kind": "blur",
        "level": 1.0,
        "unit": "pixels (standard deviation)",
        "halves": ["calibration", "test"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fog=2", "no shift 'fog'; there are noise, blur, such as noise=20"),
        ("", "not KIND=LEVEL, such as noise=20"),
        ("noise", "'noise': not KIND=LEVEL"),
        ("noise=much", "'noise=much': not KIND=LEVEL"),
        ("noise=0", "noise=0: the level must be above 0 and at most 255 grey levels"),
        ("noise=nan", "at most 255 grey levels"),
        ("blur=-1", "above 0 and at most 32 pixels"),
        ("blur=inf", "above 0 and at most 32 pixels"),
    ],
)
def test_a_shift_that_is_none_is_one_clear_error(text, message):
    with pytest.raises(BuildError, match=message):
        Shift.parsed(text)


@pytest.mark.parametrize("halves", [(), ("train",)])
def test_a_half_that_is_none_is_refused(halves):
    with pytest.raises(BuildError, match="calibration, test or both would do"):
        Shift("noise", 20.0, halves)
