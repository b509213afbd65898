"""Which words of the vocabulary belong to each data set's annotated shortcut: written before any result was seen.

A word is listed if it describes one value of the attribute and not the other. Colors that a value usually has (green,
blue) are not listed. ``hyponyms`` are kinds of the classes, mixed into the vocabulary to see if they are set aside.
"""

from __future__ import annotations

from dataclasses import dataclass

LAND = """
forest, bamboo forest, rainforest, jungle, pine forest, birch trees, autumn forest, woods, woodland, grove, trees,
bushes, hedge, meadow, grassland, prairie, savanna, steppe, tundra, field, wheat field, corn field, lawn, pasture,
farmland, vineyard, orchard, garden, park, mountain, mountains, hill, hills, valley, canyon, cave, volcano, desert,
bare ground, dirt, soil, forest path, trail, clearing, tree trunk, tree branch, moss, ferns, land, dry land, land
background, tree, oak, pine tree, bamboo stems, bush, twig, branch, bark, bamboo, leaves, dry leaves, grass, green
grass, tall grass, dry grass, perching on a branch, countryside, wood, leaf, ivy, vine, dappled light
"""
WATER = """
beach, coast, shore, seashore, island, bay, lagoon, harbour, cove, tide pool, coral reef, seabed, sea, ocean, open
water, lake, pond, river, stream, creek, marsh, wetland, iceberg, frozen lake, underwater, riverbank, water, water
background, water surface, waves, port, dock, pier, marina, shipyard, dam, canal, ferry terminal, ripples, swimming,
diving, floating, sailing, rowing, fishing, wading, splashing, boat, boats, ship, sailing boat, motorboat, rowing
boat, canoe, ferry, submarine, anchor, sail, oar, horizon, horizon line, lighthouse, surfer, sailor, wet surface,
seaweed, surfboard, fisherman
"""
COLOUR = """
colour photograph, photo, photograph, snapshot, professional photo, stock photo, painting, oil painting,
watercolour, acrylic painting, fresco, mural, portrait painting, landscape painting, impressionist painting, pop
art, cartoon, comic, comic strip, anime, clip art, colourful painting, colourful drawing, realistic picture, colour,
full colour, colourful, many colours, vivid colours, bright colours, saturated colours, colourful background,
rainbow colours, film still, animation, warm colours, illustration
"""
SKETCH = """
drawing, pencil drawing, charcoal drawing, ink drawing, pen drawing, chalk drawing, child's drawing, line drawing,
line art, sketch, black and white sketch, doodle, outline, contour, engraving, etching, woodcut, monochrome, black
and white, grayscale, white background, plain background, blueprint, technical drawing, scientific illustration,
tattoo design, simple shape, diagram, drawing a picture, pencil, black and white photograph, pen, handwriting,
signature, paper, blank image, white image, symbol, icon, logo, white margin
"""
OUTDOORS = """
outdoors, outdoor scene, street, road, garden, park, lawn, field, meadow, grass, green grass, tree, trees, forest,
mountain, mountains, sky, blue sky, clear sky, sunshine, backyard, front yard, beach, snow, sun, nature, landscape,
city, town, countryside, sunlit, daylight, fence, bush, bushes, car, sea, lake, water, boat, boats, flower
"""
INDOORS = """
indoors, indoor scene, room, living room, bedroom, bathroom, kitchen, dining room, office, sofa, armchair, chair,
table, desk, bed, rug, carpet, lamp, television, computer, laptop, cushion, pillow, blanket, bookcase, shelf,
window, curtain, furniture, interior, cup, bottle, bowl, picture on a wall, wooden floor, keyboard, cupboard,
bathtub, sink
"""
MALE = """
man, boy, male, gentleman, guy, young man, elderly man, father, grandfather, beard, moustache, bald head, groom,
king, portrait of a man, businessman, policeman, tie, bow tie, suit, short hair, monk, priest, soldier
"""
FEMALE = """
woman, girl, female, lady, young woman, elderly woman, mother, grandmother, bride, queen, portrait of a woman,
earrings, necklace, makeup, lipstick, dress, wedding dress, skirt, long hair, ponytail, braids, blouse, nun,
jewellery, high heels, handbag, bikini
"""
DARK = "dark background, black background, darkness, night, dark picture, black, low light, dim light"
LIGHT = "light background, white background, bright background, bright picture, white, bright light, daylight"
BIRDS = """
albatross, auklet, blackbird, bunting, cormorant, cuckoo, finch, flycatcher, grebe, grosbeak, gull, hummingbird,
jaeger, jay, kingfisher, mallard, merganser, oriole, ovenbird, pelican, puffin, raven, sparrow, tern, warbler,
woodpecker, wren
"""
BREEDS = """
poodle, terrier, spaniel, labrador, bulldog, dachshund, dalmatian, husky, collie, beagle, greyhound, chihuahua, pug,
german shepherd, african elephant, indian elephant, mammoth, elephant calf, giraffe calf, okapi, mare, stallion,
foal, pony, racehorse, arabian horse, workhorse
"""


def listed(text: str) -> tuple[str, ...]:
    """Return the words of a list.

    Examples
    --------
    >>> listed("lake, open water")
    ('lake', 'open water')
    """
    return tuple(word.strip() for word in text.replace("\n", " ").split(",") if word.strip())


@dataclass(frozen=True)
class TrueWords:
    """What a discovery should find on one data set.

    Parameters
    ----------
    attribute : str
        The annotated attribute.
    values : dict of str to str
        The words of each of its values, joined by commas.
    hyponyms : str
        Kinds of the classes, joined by commas.
    shortcut : bool
        Whether there is one; where not, nothing should be found.
    """

    attribute: str
    values: dict[str, str]
    hyponyms: str = ""
    shortcut: bool = True

    @property
    def words(self) -> dict[str, str]:
        """The value that each true word belongs to."""
        return {word: value for value, text in self.values.items() for word in listed(text)}


BACKGROUND = {"land": LAND, "water": WATER}
TRUE_WORDS: dict[str, TrueWords] = {
    "waterbirds": TrueWords("background", BACKGROUND, BIRDS),
    "style": TrueWords("style", {"colour": COLOUR, "sketch": SKETCH}, BREEDS),  # pacs/style.csv
    "waterbirds-mini": TrueWords("background", BACKGROUND, BIRDS),
    "celeba-mini": TrueWords("gender", {"female": FEMALE, "male": MALE}),
    "metashift-mini": TrueWords("place", {"outdoor": OUTDOORS, "indoor": INDOORS}),
    "shapes-mini": TrueWords("background", {"light": LIGHT, "dark": DARK}, shortcut=False),
    "shore-none": TrueWords("background", BACKGROUND, BIRDS, shortcut=False),
    "shore-1": TrueWords("background", BACKGROUND, BIRDS),
    "gulls-5": TrueWords("background", BACKGROUND, BIRDS),
    "warblers-10": TrueWords("background", BACKGROUND, BIRDS),
    "traffic-5": TrueWords("habitat", BACKGROUND),
}
