"""The one place that reads words: what a person typed becomes a `Vocabulary`.

Classes are separated by commas or new lines, synonyms of one class by semicolons: "dog; puppy, grass, sky". The commas
and semicolons of Arabic, Chinese and Japanese count too. Where groups are asked for, "animals: dog; puppy, cat | sky"
names a group before its classes; it ends at a bar or a new line. Names are kept as typed, with emoji, right-to-left
letters and markup; showing them safely is the business of whoever shows them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from .errors import NamebrushError
from .records import ClassName, Vocabulary

MAX_NAME, MAX_CLASSES, MAX_WORDS, MAX_TEXT = 80, 200, 1000, 200_000
#: With fewer classes than this, "auto" lets background names compete: a softmax over one or two names says nothing.
ENOUGH_CLASSES = 8
#: Least probability of a labelled pixel where background names compete; 0 (off) where the classes stand alone.
DEFAULT_THRESHOLD = 0.1

#: What "auto" adds. The first word of each entry competes, unless one of the entry's words is in a typed name: who
#: types "puppy" wants no "animal" beside it.
DISTRACTORS: tuple[str, ...] = (
    "sky; cloud; sun; moon; star; rainbow; sunset",
    "wall; brick; tile",
    "floor; carpet; rug; parquet",
    "ceiling; lamp; light",
    "window; door; curtain; glass",
    "building; house; skyscraper; tower; castle; church; barn; hut; cottage; bridge; roof; city; architecture",
    "road; street; sidewalk; pavement; path; asphalt; track; runway; ground",
    "ground; soil; earth; sand; dirt; mud; beach; desert; snow; floor; road; field; meadow; grass",
    "grass; lawn; meadow; field; plant; hay; ground",
    "tree; forest; wood; bush; shrub; plant; leaf; palm; pine; trunk; branch",
    "flower; rose; tulip; sunflower; blossom; plant; bouquet",
    "water; sea; ocean; lake; river; pond; pool; wave",
    "mountain; hill; rock; cliff; stone; volcano",
    "person; people; man; woman; boy; girl; child; kid; baby; human; face; hand; hair; clothes; shirt; rider; player",
    "animal; dog; puppy; cat; kitten; horse; cow; sheep; goat; pig; bird; duck; chicken; fish; rabbit; bear; fox; "
    "wolf; lion; tiger; elephant; giraffe; zebra; monkey; mouse; frog; snake; turtle; butterfly; bee; insect; pony; "
    "foal; deer",
    "vehicle; car; truck; lorry; bus; van; taxi; bicycle; bike; motorcycle; scooter; train; tram; boat; ship; "
    "sailboat; plane; airplane; aeroplane; aircraft; helicopter; tractor; wheel; tyre; tire; balloon",
    "furniture; chair; table; sofa; couch; bed; desk; shelf; cabinet; cupboard; bench; stool; wardrobe",
    "food; fruit; vegetable; apple; banana; orange; lemon; pear; grape; cherry; strawberry; bread; cake; pizza; meat; "
    "cheese; egg; tomato; carrot; potato; cucumber; salad; sandwich; cookie; drink; plate; bowl; bottle; cup; glass",
    "fence; gate; railing; hedge; pole; post",
)

_CLASS_BREAK = re.compile("[,\n\r\u2028\u2029\u060c\u3001\uff0c]")
_WORD_BREAK = re.compile("[;\u061b\uff1b]")
_GROUP_BREAK = re.compile("[|\n\r\u2028\u2029\uff5c]")
_GROUP_NAME = re.compile("([^:\uff1a,;]*)[:\uff1a](.*)", re.DOTALL)
#: A name that looks as if a group was meant.
_GROUP_LIKE = re.compile(r"[\w ]+:\s+\S")
# Invisible marks that could reorder or hide what is shown around a name. The joiners of emoji and Persian stay.
_HIDDEN = dict.fromkeys(
    [0x00AD, 0x061C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)


def parse_vocabulary(
    text: str | Iterable[str] | Vocabulary,
    background: str | Iterable[str] = "auto",
    threshold: float | None = None,
    distractors: Sequence[str] = DISTRACTORS,
    grouped: bool = False,
) -> Vocabulary:
    """Read the names a person typed.

    Spaces are collapsed, letters normalised (NFC), control characters removed, names beyond 80 characters cut. A name
    typed twice, in whatever case, counts once. A synonym that is also another class's name stays that class's alone;
    one that two classes share belongs to the first. `Vocabulary.notes` says what was changed.

    Args:
        text: the names, or a list of such texts, each as if on a line of its own. A `Vocabulary` is returned as it is.
        background: "auto" lets `distractors` compete where fewer than 8 classes are typed; "none" lets nothing
            compete; anything else is the background names, as text or list. A typed name is never background.
        threshold: least class probability of a labelled pixel, 0..1; None takes 0.1 where background names compete and
            0 (off) where not.
        distractors: for "auto": entries "word; related; ..." of which the first word competes, unless a typed name has
            one of the entry's words in it.
        grouped: groups are read, as in "animals: dog, cat | plants: grass, tree | sky"; without it a colon and a bar
            are letters of a name.

    Raises:
        NamebrushError: no name left, more than 200 classes or 1000 words, a threshold outside 0..1.
    """
    if isinstance(text, Vocabulary):
        return text
    notes: list[str] = []
    parts = _split_groups(text) if grouped else [("", text)]
    found = [(group, words) for group, part in parts for words in _split(part, notes)]
    classes = _without_duplicates([words for _, words in found], notes)
    if not grouped:
        notes += [f'"{c.name}" was read as one name; for a group of names set Groups to given.'
                  for c in classes if _GROUP_LIKE.match(c.name)]  # fmt: skip
    if not classes:
        raise NamebrushError("Type at least one name, for example: dog, grass, sky.")
    if len(classes) > MAX_CLASSES:
        raise NamebrushError(f"{len(classes)} names are too many; at most {MAX_CLASSES} can be told apart at once.")
    typed = [word for c in classes for word in c.words]
    if len(typed) > MAX_WORDS:
        raise NamebrushError(f"{len(typed)} words with all synonyms are too many; at most {MAX_WORDS} can be used.")
    own = {word.casefold() for word in typed}
    if isinstance(background, str) and background.strip().casefold() == "auto":
        names = _unrelated(typed, distractors) if len(classes) < ENOUGH_CLASSES else []
        names = [name for name in names if name.casefold() not in own]
    elif isinstance(background, str) and background.strip().casefold() in ("none", ""):
        names = []
    else:
        asked = list(dict.fromkeys(word for words in _split(background, notes) for word in words))
        names = [name for name in asked if name.casefold() not in own]
        notes += [f'"{name}" is one of the names, so it is no background.' for name in asked if name not in names]
        if len(names) > MAX_WORDS:
            raise NamebrushError(f"{len(names)} background names are too many; at most {MAX_WORDS} can be used.")
    if threshold is None:
        threshold = DEFAULT_THRESHOLD if names else 0.0
    if len(classes) == 1 and not names:
        notes.append(
            "One name without background names wins every pixel; add names, or a background, to compare with."
        )
    return Vocabulary(
        classes, tuple(names), float(threshold), tuple(dict.fromkeys(notes)), _groups_of(classes, found)
    )


def clean_name(text: str) -> str:
    """One name on one line: NFC, single spaces, no control or hidden characters; "" where nothing visible is left."""
    text = unicodedata.normalize("NFC", text.translate(_HIDDEN))
    text = "".join(
        " " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs")
    )
    text = " ".join(text.split())
    return text if any(unicodedata.category(c)[0] in "LNPS" for c in text) else ""


def _split_groups(text: str | Iterable[str]) -> list[tuple[str, str]]:
    """Name and members of each group as typed; "" where names are in none."""
    parts = []
    for part in _GROUP_BREAK.split(_joined(text)):
        found = _GROUP_NAME.fullmatch(part)
        name = clean_name(found[1])[:MAX_NAME] if found else ""
        parts.append((name, found[2] if name else part))
    return parts


def _groups_of(
    classes: tuple[ClassName, ...], found: list[tuple[str, list[str]]]
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The groups with the indices of their classes; a class typed in two groups is in the first."""
    places = {c.name.casefold(): index for index, c in enumerate(classes)}
    groups: dict[str, tuple[str, list[int]]] = {}
    held: set[int] = set()
    for group, (name, *_) in found:
        index = places[name.casefold()]
        if group and index not in held:
            groups.setdefault(group.casefold(), (group, []))[1].append(index)
        held.add(index)
    return tuple((name, tuple(members)) for name, members in groups.values())


def _joined(text: str | Iterable[str]) -> str:
    """A text, or the lines of a list of texts."""
    if isinstance(text, str):
        return text
    lines = list(text)
    if not all(isinstance(line, str) for line in lines):
        raise TypeError("Names are a text or a list of texts.")
    return "\n".join(lines)


def _split(text: str | Iterable[str], notes: list[str]) -> list[list[str]]:
    """The words of each class, name first, cleaned and cut; empty ones left out."""
    text = _joined(text)
    if len(text) > MAX_TEXT:
        raise NamebrushError(f"The names are {len(text)} characters long; at most {MAX_TEXT} can be read.")
    found = []
    for part in _CLASS_BREAK.split(text):
        words = []
        for word in filter(None, map(clean_name, _WORD_BREAK.split(part))):
            if len(word) > MAX_NAME:
                word = word[:MAX_NAME].rstrip()
                notes.append(f'A name was longer than {MAX_NAME} characters and was cut: "{word[:30]}...".')
            words.append(word)
        if words:
            found.append(words)
    return found


def _without_duplicates(found: list[list[str]], notes: list[str]) -> tuple[ClassName, ...]:
    """Each class once, each word in one class; a class typed again adds its synonyms to the first."""
    merged: dict[str, list[str]] = {}
    for name, *synonyms in found:
        key = name.casefold()
        if key in merged:
            notes.append(f'"{merged[key][0]}" was typed more than once and counts once.')
            merged[key] += synonyms
        else:
            merged[key] = [name, *synonyms]
    owner: dict[str, str] = {key: key for key in merged}
    classes = []
    for key, (name, *synonyms) in merged.items():
        kept = []
        for word in synonyms:
            first = owner.setdefault(word.casefold(), key)
            if first != key:
                whose = (
                    "is a name of its own" if word.casefold() == first else f'already belongs to "{merged[first][0]}"'
                )
                notes.append(f'"{word}" {whose}, so it is no synonym of "{name}".')
            elif word.casefold() not in {w.casefold() for w in (name, *kept)}:
                kept.append(word)
        classes.append(ClassName(name, tuple(kept)))
    return tuple(classes)


def _stems(name: str) -> set[str]:
    """The words of a name, and each without a plural's ending."""
    words = set(re.findall(r"\w+", name.casefold()))
    plurals = {w[: -len(end)] + put for w in words for end, put in (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"))
               if w.endswith(end) and len(w) > len(end) + 2}  # fmt: skip
    return words | plurals


def _unrelated(typed: Sequence[str], distractors: Sequence[str]) -> list[str]:
    """First words of the distractor entries no typed name has a word of."""
    own = set().union(*map(_stems, typed))
    names = []
    for entry in distractors:
        words = [w for w in map(clean_name, _WORD_BREAK.split(entry)) if w]
        # An entry of several words ("traffic light") is related only where all of its words are typed.
        if words and not any(own.issuperset(re.findall(r"\w+", w.casefold()) or [w]) for w in words):
            names.append(words[0])
    return list(dict.fromkeys(names))
