<?php

$body = file_get_contents('https://api.example.com/data');
echo explode(' ', $http_response_header[0])[1], "\n", $body, "\n";
