"""What the classes of a data set are called, by label. Sets whose classes are chosen by a draw have numbers alone.

Sources: Krizhevsky, "Learning multiple layers of features from tiny images" (2009), for CIFAR-10; the GLUE benchmark's
labels for SST-2.
"""

DIGITS = tuple("0123456789")
CLASSES = {
    "digits": DIGITS,
    "mnist": DIGITS,
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "sst2": ("negative", "positive"),
}


def named(dataset: str, label: int) -> str:
    """The name of a class; "class 17" where the data set's classes have none.

    >>> named("cifar10", 3), named("cub", 3)
    ('cat', 'class 3')
    """
    names = CLASSES.get(dataset, ())
    return names[label] if 0 <= label < len(names) else f"class {label}"
