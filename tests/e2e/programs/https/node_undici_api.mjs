import { request } from 'undici';

const answer = await request('https://api.example.com/data');
console.log(answer.statusCode);
console.log(await answer.body.text());

const created = await request('https://api.example.com/submit', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ name: 'hark', note: 'grüße' }),
});
console.log(created.statusCode);
console.log(await created.body.text());
