"""A figure that Jupyter shows by itself, for pyplot is not needed to draw one."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure of matplotlib; as the last line of a cell it is its picture."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        self.savefig(drawn, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
        return drawn.getvalue()
