"""The files that a visitor reads first: README's order, the citation, the licence, the changelog."""

from __future__ import annotations

import re

import yaml

# Of the Citation File Format 1.2.0, as far as they are used or likely here.
CFF_KEYS = {"cff-version", "message", "title", "type", "authors", "license", "version", "abstract", "keywords",
            "references", "date-released", "doi", "url", "repository-code"}
REFERENCE_KEYS = {"type", "title", "authors", "year", "collection-title", "journal", "notes", "doi", "url"}


def test_the_citation_names_what_its_format_wants_and_the_packages_version(project):
    cited = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    package = (project / "pyproject.toml").read_text(encoding="utf-8")
    assert {"cff-version", "message", "title", "authors"} <= cited.keys() <= CFF_KEYS
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software"
    assert f'version = "{cited["version"]}"' in package and f'license = {{text = "{cited["license"]}"}}' in package
    for reference in cited["references"]:
        assert {"type", "title", "authors", "year"} <= reference.keys() <= REFERENCE_KEYS
        assert reference["type"] in ("article", "conference-paper") and isinstance(reference["year"], int)
        assert all(author.keys() == {"given-names", "family-names"} for author in reference["authors"])


def test_the_licence_is_there_and_is_the_one_that_is_named(project):
    licence = (project / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence and "Version 2.0" in licence and len(licence) > 10_000


def test_the_changelog_begins_with_what_is_not_released_and_uses_known_kinds_of_change(project):
    text = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[0] == "[Unreleased]"
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds and kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_readme_says_what_it_is_how_it_starts_what_came_out_how_it_counts_and_how_to_add_in_this_order(project):
    text = (project / "README.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    wanted = ["Two commands", "Results", "How numbers are counted", "A method of your own", "A dataset of your own",
              "A suite of your own", "Limits"]
    assert [head for head in heads if head in wanted] == wanted
    assert "![" in text.split("## ")[0], "a picture before the first heading"
