from zooscope.report.site.markdown import as_html


def test_a_card_becomes_html_with_headings_below_those_of_the_page() -> None:
    html = as_html("# Model\n\n## Use\n\n*Nuclei*, see `x`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert "<h3>Model</h3>" in html
    assert "<h4>Use</h4>" in html
    assert "<em>Nuclei</em>" in html
    assert "<td>2</td>" in html


def test_nothing_in_a_strangers_card_can_run() -> None:
    card = (
        "<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>\n\n![p](http://far/x.png)"
    )
    html = as_html(card)
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_what_a_picture_shows_is_told_since_pictures_stay_in_the_package() -> None:
    html = as_html("![Loss of *each* step, a < b](curves.png)")
    assert html == "<p><em>[picture in the package: Loss of each step, a &lt; b]</em></p>\n"
