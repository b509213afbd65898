"""Miniatures written to disk in the layouts of the real benchmarks, for other programs that read those."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from debias_pt.datasets.splits import SPLITS
from debias_pt.datasets.synthetic.worlds import MARK, WORLDS
from debias_pt.errors import OutputError
from debias_pt.utils.files import whole_folder, write_csv
from debias_pt.utils.registry import register

Layout = Callable[[Path, int], Path]
LAYOUTS: dict[str, Layout] = {}

CELEBA_ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache",
    "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks",
    "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick",
    "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip


@register(LAYOUTS, "waterbirds-mini")
def waterbirds(root: Path, seed: int = 0) -> Path:
    """Write ``root/waterbirds_v1.0`` as WILDS has it: metadata.csv and a folder per species."""

    def fill(folder: Path) -> None:
        rows = []
        for number, (split, y, a, image) in enumerate(WORLDS["waterbirds-mini"].images(seed), start=1):
            name = f"{y + 1:03d}.{('Landbird', 'Waterbird')[y]}/{number:05d}.jpg"
            _save(image, folder / name)
            rows.append([number, name, y, SPLITS.index(split), a, f"/{('land', 'water')[a]}/{number:05d}.jpg"])
        write_csv(folder / "metadata.csv", ["img_id", "img_filename", "y", "split", "place", "place_filename"], rows)
        (folder / "RELEASE_v1.0.txt").write_text("synthetic, written by debias-pt in the layout of Waterbirds v1.0\n")

    return _into(root / "waterbirds_v1.0", fill)


@register(LAYOUTS, "celeba-mini")
def celeba(root: Path, seed: int = 0) -> Path:
    """Write ``root/celebA_v1.0`` as WILDS has it: attributes (1 or -1), partition, img_align_celeba.

    Only ``Blond_Hair`` and ``Male`` are annotated; the other columns say -1 throughout.
    """

    def fill(folder: Path) -> None:
        attributes, partition = [], []
        for number, (split, y, a, image) in enumerate(WORLDS["celeba-mini"].images(seed), start=1):
            name = f"{number:06d}.jpg"
            _save(image, folder / "img_align_celeba" / name)
            true = {"Blond_Hair": y, "Male": a}
            attributes.append([name, *(1 if true.get(column) else -1 for column in CELEBA_ATTRIBUTES)])
            partition.append([name, SPLITS.index(split)])
        write_csv(folder / "list_attr_celeba.csv", ["image_id", *CELEBA_ATTRIBUTES], attributes)
        write_csv(folder / "list_eval_partition.csv", ["image_id", "partition"], partition)
        (folder / "RELEASE_v1.0.txt").write_text("synthetic, written by debias-pt in the layout of CelebA v1.0\n")

    return _into(root / "celebA_v1.0", fill)


@register(LAYOUTS, "metashift-mini")
def metashift(root: Path, seed: int = 0) -> Path:
    """Write ``root/metashift`` as SubpopBench prepares it: metadata_metashift.csv and a tree of images."""

    def fill(folder: Path) -> None:
        rows = []
        for number, (split, y, a, image) in enumerate(WORLDS["metashift-mini"].images(seed), start=1):
            kind, place = ("dog", "cat")[y], ("outdoor", "indoor")[a]
            part = "test" if split == "test" else "train"  # val is taken out of the train folder there
            name = f"MetaShift-Cat-Dog-indoor-outdoor/{part}/{kind}/{kind}({place})/{number:07d}.jpg"
            _save(image, folder / name)
            rows.append([name, y, a, SPLITS.index(split)])
        write_csv(folder / "metadata_metashift.csv", ["filename", "y", "a", "split"], rows)

    return _into(root / "metashift", fill)


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=95)


def _into(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Fill a folder that must not exist yet."""
    if folder.exists():
        raise OutputError(f"{folder}: already exists; remove it or choose another folder")
    with whole_folder(folder, "folder") as temporary:
        (temporary / MARK).write_text("written by debias-pt data write\n")
        fill(temporary)
    return folder
