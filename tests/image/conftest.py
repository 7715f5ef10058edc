"""The image, built once: the Dockerfile on a base made of Debian's packages."""

import pytest

from tests.image.built import Image, build, littered


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of a checkout in which secrets lie about."""
    return build(littered(tmp_path_factory.mktemp("checkout")))
