import got from 'got';

const answer = await got('https://api.example.com/data');
console.log(answer.statusCode);
console.log(answer.body);

const created = await got.post('https://api.example.com/submit', { json: { name: 'hark', note: 'grüße' } });
console.log(created.statusCode);
console.log(created.body);
