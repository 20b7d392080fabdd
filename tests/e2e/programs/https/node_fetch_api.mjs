const answer = await fetch('https://api.example.com/data');
console.log(answer.status);
console.log(await answer.text());

const created = await fetch('https://api.example.com/submit', {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ name: 'hark', note: 'grüße' }),
});
console.log(created.status);
console.log(await created.text());
