use strict;
use warnings;
use LWP::UserAgent;

my $agent = LWP::UserAgent->new;

my $response = $agent->get('https://api.example.com/data');
print $response->code, "\n", $response->content, "\n";

$response = $agent->post('https://api.example.com/submit',
    'Content-Type' => 'application/json',
    Content => '{"name": "hark", "note": "grüße"}');
print $response->code, "\n", $response->content, "\n";
