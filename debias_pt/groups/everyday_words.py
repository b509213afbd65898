"""Everyday words to compare with: what pairs of words do that were not chosen for any data set."""

from __future__ import annotations

_WORDS = """
a kitchen, a table, a chair, a lamp, a window, a door, a bed, a book, a newspaper, a clock, a mirror, a carpet,
a cup of tea, a loaf of bread, an apple, a banana, a bowl of soup, a cake, a bottle, a glass of wine, a spoon, a
knife, a car, a bus, a train, a bicycle, an aeroplane, a motorcycle, a traffic light, a street, a bridge, a
church, a castle, a factory, an office, a school, a hospital, a shop, a market, a stadium, a theatre, a garden,
a field, a hill, a desert, a river, a cave, a fire, smoke, snow, rain, fog, the moon, stars, the night, the
morning, summer, winter, a crowd, a child, an old man, a soldier, a doctor, a dancer, a singer, a smile, a
beard, a hat, glasses, a shirt, a dress, a shoe, a glove, a bag, an umbrella, a ball, a violin, a piano, a
guitar, a drum, a computer, a telephone, a camera, a television, a hammer, a screwdriver, a nail, a rope, a
fence, a wall, a brick, a stone, wood, metal, plastic, paper, cotton, glass, gold, a coin, a flag, a map, a
letter, a number, a circle, a square, stripes, dots, red, green, blue, yellow, black and white, bright light, a
shadow, a blur, a close-up, a cat, a dog, a horse, a cow, a sheep, a pig, a bird, a fish, a snake, a spider, a
butterfly, a tree, a flower, grass, leaves, a mushroom, a statue, a toy, a balloon, a candle
"""
EVERYDAY_WORDS: tuple[str, ...] = tuple(word.strip() for word in _WORDS.replace("\n", " ").split(","))
