"""make pictures: the two pictures of the README, from what the browser tests saw last.

`shots/` holds what each test ended with, as PNG; these two are kept, as WebP, a tenth of that.
"""

from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
PICTURES = {
    "front": "test_the_front_page_shows_how_far_the_corpus_is.tab.png",
    "page": "test_a_search_finds_a_row_and_opens_it_beside_its_scan.tab.png",
}

if __name__ == "__main__":
    for name, shot in PICTURES.items():
        picture = HERE / "pictures" / f"{name}.webp"
        Image.open(HERE / "shots" / shot).save(picture, lossless=True)
        print(picture)
