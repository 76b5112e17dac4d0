// A trial that is pointed at, in the table or among the lines, stands out in both.
{
  const said = document.querySelector('.parallel output');
  const row = number => document.querySelector(`tr[data-t="${number}"]`);
  const light = number => {
    document.querySelectorAll('.lit').forEach(one => one.classList.remove('lit'));
    document.querySelectorAll('.parallel').forEach(one => one.classList.toggle('aside', number !== null));
    if (number === null) return;
    document.querySelectorAll(`.parallel .t${number}`).forEach(one => one.classList.add('lit'));
    row(number)?.classList.add('lit');
    if (said && row(number)) said.textContent = row(number).dataset.says;
  };
  for (const line of document.querySelectorAll('tr[data-t]')) {
    line.addEventListener('mouseenter', () => light(line.dataset.t));
    line.addEventListener('mouseleave', () => light(null));
  }
  for (const line of document.querySelectorAll('.parallel .line')) {
    const number = [...line.classList].find(name => /^t\d+$/.test(name)).slice(1);
    line.addEventListener('mouseenter', () => light(number));
    line.addEventListener('mouseleave', () => light(null));
  }
}
