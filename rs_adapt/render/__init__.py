"""Pictures, plots and pages: figures, overlays, inline SVG, HTML, Markdown and LaTeX. Knows nothing of runs."""
