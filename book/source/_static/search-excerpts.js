// Below each result of the search, the words around the first place where it was found (window.pageTexts, by file).
(() => {
  const AROUND = 110; // characters on either side
  const asked = (new URLSearchParams(location.search).get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const base = new URL(".", location.href).href;

  function excerpt(text) {
    const low = text.toLowerCase();
    const places = asked.map((word) => [low.indexOf(word), word.length]).filter(([at]) => at >= 0).sort((x, y) => x[0] - y[0]);
    if (!places.length) return null;
    const [at, length] = places[0]; // and whole words on either side
    const start = at > AROUND ? text.indexOf(" ", at - AROUND) + 1 : 0, last = text.lastIndexOf(" ", at + length + AROUND);
    const end = text.length <= at + length + AROUND || last < at + length ? text.length : last;
    const line = document.createElement("p"), mark = document.createElement("mark");
    mark.textContent = text.slice(at, at + length);
    line.className = "excerpt";
    line.append(start > 0 ? "… " : "", text.slice(start, at), mark, text.slice(at + length, end), end < text.length ? " …" : "");
    return line;
  }

  function fill() {
    for (const result of document.querySelectorAll("#search-results li:not([data-told])")) {
      const link = result.querySelector("a[href]");
      if (!link) continue;
      result.dataset.told = "";
      const file = decodeURIComponent(new URL(link.href).href.split(/[?#]/)[0].slice(base.length));
      const line = excerpt(window.pageTexts?.[file] ?? "");
      if (line) result.append(line);
    }
  }

  const list = document.querySelector("#search-results");
  if (list) new MutationObserver(fill).observe(list, { childList: true, subtree: true });
  fill();
})();
