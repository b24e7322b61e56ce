"""The page of the published studies, published/README.md."""

from collections.abc import Iterator

from trainsize.published.printed import STUDIES, Claim, artefacts, claims, description, tables
from trainsize.published.versions import mistakes


def page() -> str:
    """Return the generated part of published/README.md: every table with its columns, and the artefacts."""
    return "\n".join(line for study in STUDIES for line in _study_page(study)) + "\n"


def _test(claim: Claim) -> str:
    """Return the test of a claim with its arguments, or the reason why there is none."""
    if claim.why:
        return f"not tested: {claim.why}"
    arguments = {"model": claim.model, "among": ", ".join(claim.among), "at": claim.at, "than": claim.than}
    values = (f"{name} {value}" for name, value in (arguments | {"margin": claim.margin}).items() if value)
    return f"{claim.test.replace('_', ' ')}: {', '.join(values)}"


def _study_page(study: str) -> Iterator[str]:
    about = description(study)
    yield f"## {study}\n\n{about['title']}. {about['source']}\n"
    for table in tables(study):
        mark = "" if table.numbers == "printed" else f", **{table.numbers}**"
        yield f"### `{study}/{table.name}.csv`\n\n{table.where}{mark}.\n"
        yield "| column | meaning |\n|---|---|"
        yield from (f"| `{name}` | {meaning} |" for name, meaning in table.columns.items())
        yield ""
    yield f"### Artefacts of {study}\n\n| id | kind | what | tables | agrees when |\n|---|---|---|---|---|"
    for entry in artefacts(study):
        agrees = "; ".join(filter(None, [*(rule.text for rule in entry.rules), entry.expect]))
        names = ", ".join(f"`{name}`" for name in entry.tables)
        yield f"| {entry.id} | {entry.kind} | {entry.what} | {names} | {agrees} |"
    if claims(study):
        yield f"\n### Claims of {study}\n\n| id | claim | test | metric |\n|---|---|---|---|"
        for claim in claims(study):
            yield f"| {claim.artefact} | {claim.claim} | {_test(claim)} | {claim.metric} |"
    yield f"\n### Mistakes of {study}\n\n| mistake | correct | variant without it |\n|---|---|---|"
    for mistake in mistakes(study):
        variant = f"`{mistake.variant}`" if mistake.variant else ""
        yield f"| {mistake.what} | {mistake.correct} | {variant} |"
    yield ""
