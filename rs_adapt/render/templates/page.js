// A click on a column's head sorts by the cells' `data-v`, numbers first; a link into a closed part opens it.
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.closest("th"), table = head.closest("table"), at = [...head.parentNode.children].indexOf(head);
  const down = head.getAttribute("aria-sort") !== "descending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => row.children[at].dataset.v ?? row.children[at].textContent;
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)], [p, q] = [parseFloat(x), parseFloat(y)];
    const known = [!Number.isNaN(p), !Number.isNaN(q)];
    if (known[0] !== known[1]) return known[0] ? -1 : 1;
    const order = known[0] ? p - q : x.localeCompare(y);
    return down ? -order : order;
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compare));
});
const open = () => { for (let at = document.getElementById(location.hash.slice(1)); at; at = at.parentElement)
  if (at.tagName === "DETAILS") at.open = true; };
addEventListener("hashchange", open);
open();
