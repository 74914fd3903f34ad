// The groups of panels, which fold. The address keeps which are closed (#closed=keys,workers), so that
// a reload, or a bookmark, shows the same; nothing is stored.

const PREFIX = "#closed=";

/**
 * Make an element for each group.
 * @param groups [{name, title, elements}].
 * @param changed called when a group was opened or closed.
 */
export function groupElements(groups, changed) {
  const closed = location.hash.startsWith(PREFIX) ? location.hash.slice(PREFIX.length).split(",") : [];
  const all = groups.map(({ name, title, elements }) => {
    const element = document.createElement("details");
    element.id = `group-${name}`;
    element.open = !closed.includes(name);
    const heading = document.createElement("h2");
    heading.textContent = title;
    const summary = document.createElement("summary");
    summary.append(heading);
    const panels = document.createElement("div");
    panels.className = "panels";
    panels.append(...elements);
    element.append(summary, panels);
    return element;
  });
  for (const element of all) {
    element.addEventListener("toggle", () => {
      const names = groups.filter((_, number) => !all[number].open).map(({ name }) => name);
      const address = names.length ? `${PREFIX}${names.join(",")}` : location.pathname;
      history.replaceState(null, "", address);
      changed();
    });
  }
  return all;
}
