"""What a router sees of an image is statistics of its 16 fields, standardised on the calibration half alone."""

import numpy as np
import pytest

from mdisim.profiles.build.pixelfeatures import pixel_features, statistics

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3)])
def test_statistics_of_an_image_that_is_known(size, channels):
    flat = np.full((1, size, size, channels), 7, np.uint8)
    np.testing.assert_array_equal(statistics(flat)[0], [7] * 16 + [0] * 48)
    ramp = np.broadcast_to(3 * np.arange(size, dtype=np.uint8)[:, None], (1, size, size))[..., None]
    mean, deviation, across, down = statistics(np.repeat(ramp, channels, 3))[0].reshape(4, 4, 4)
    field = size // 4
    np.testing.assert_allclose(mean[:, 0], 3 * (field * np.arange(4) + (field - 1) / 2))
    np.testing.assert_allclose(deviation, 3 * np.sqrt((field**2 - 1) / 12))
    np.testing.assert_array_equal(across, 0)
    np.testing.assert_allclose(down[:3], 3)  # the last row has none below it
    np.testing.assert_allclose(down[3], 3 * (field - 1) / field)


def test_features_are_fitted_on_the_named_images_alone():
    images = RNG.integers(0, 256, (50, 28, 28, 1), dtype=np.uint8)
    fitted_on = np.arange(50) < 25
    features, meta = pixel_features(images, fitted_on)
    assert features.shape == (50, len(meta["columns"])) == (50, 64)
    np.testing.assert_allclose(features[fitted_on].astype(float).mean(0), 0, atol=5e-3)
    np.testing.assert_allclose(features[fitted_on].astype(float).std(0), 1, atol=5e-3)
    others = images.copy()
    others[25:] = 0
    np.testing.assert_array_equal(pixel_features(others, fitted_on)[0][:25], features[:25])
