<?php

function ask(string $url, array $options = []): void
{
    $handle = curl_init($url);
    curl_setopt_array($handle, $options + [CURLOPT_RETURNTRANSFER => true]);
    $body = curl_exec($handle);
    if ($body === false) {
        exit(curl_error($handle) . "\n");
    }
    echo curl_getinfo($handle, CURLINFO_RESPONSE_CODE), "\n", $body, "\n";
}

ask('https://api.example.com/data');
ask('https://api.example.com/submit', [
    CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
    CURLOPT_POSTFIELDS => json_encode(['name' => 'hark', 'note' => 'grüße']),
]);
