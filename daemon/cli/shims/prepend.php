<?php
// SPDX-License-Identifier: MIT
// Made by hark: PHP's streams (file_get_contents and the like) know no proxy from the environment,
// so they get one as their default context. Runs before a script, after what php.ini wanted to run
// there.
(static function () {
    $proxy = parse_url((string) getenv('http_proxy'));
    if (isset($proxy['host'], $proxy['port'])) {
        $http = ['proxy' => "tcp://{$proxy['host']}:{$proxy['port']}", 'request_fulluri' => true];
        stream_context_set_default(['http' => $http]);
    }
})();
if ((string) get_cfg_var('hark.auto_prepend_file') !== '') {
    require get_cfg_var('hark.auto_prepend_file');
}
