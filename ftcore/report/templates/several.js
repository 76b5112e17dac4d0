// Sorting by a click on a heading. Without a script the table stands in the order of the command line.
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  table.querySelectorAll('thead th').forEach((heading, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => {
      const down = heading.dataset.first === 'descending';
      const before = heading.ariaSort;
      const descending = before ? before === 'ascending' : down;
      table.querySelectorAll('thead th').forEach(other => other.removeAttribute('aria-sort'));
      heading.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      const value = row => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (!x || !y) return x ? -1 : y ? 1 : 0; // what is missing stays last both ways
        const [p, q] = [Number(x), Number(y)];
        const order = isNaN(p) || isNaN(q) ? x.localeCompare(y) : p - q;
        return descending ? -order : order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
