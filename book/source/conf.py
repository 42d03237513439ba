"""Sphinx's settings for the book; `python -m book.builder` calls it on the source that it has put together."""

project = "AND–OR interactions and generalisation"
author = "the companion's authors"
language = "en"
extensions = ["myst_nb", "book.builder.typeset", "book.builder.links", "book.builder.glossary"]

nb_execution_mode = "off"  # the notebooks come as the pipeline ran them
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}  # else a page with a widget would load scripts from another host
nb_code_prompt_show = "Code"
nb_code_prompt_hide = "Code"
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

html_math_renderer = "katex"
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["katex/katex.min.css", "book.css", "play.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # it is fetched, which a browser refuses for pages on a disk
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005a8f", "color-brand-content": "#005a8f"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f0", "color-brand-content": "#7cc4f0"},
}
pygments_style = "a11y-high-contrast-light"  # 7:1 and more
pygments_dark_style = "a11y-high-contrast-dark"
