import axios from 'axios';

const answer = await axios.get('https://api.example.com/data');
console.log(answer.status);
console.log(JSON.stringify(answer.data));

const created = await axios.post('https://api.example.com/submit', { name: 'hark', note: 'grüße' });
console.log(created.status);
console.log(JSON.stringify(created.data));
