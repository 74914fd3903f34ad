<?php
// Makes tokens as PHP sites do without a library: json_encode (it writes "/" as "\/" and letters
// beyond ASCII as \uXXXX), base64url, and hash_hmac or openssl_sign.
// Reads token requests from standard input, writes tokens to standard output.
declare(strict_types=1);

function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function sign(string $input, string $algorithm, array $document): string
{
    if ($algorithm === 'HS256') {
        return hash_hmac('sha256', $input, $document['secret'], true);
    }
    if (!openssl_sign($input, $signature, $document['private_key'], OPENSSL_ALGO_SHA256)) {
        throw new RuntimeException(openssl_error_string());
    }
    return $signature;
}

$document = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
$tokens = [];
foreach ($document['requests'] as $request) {
    $claims = $request['claims'];
    if ($request['expires_in'] !== null) {
        $claims['iat'] = time();
        $claims['exp'] = time() + $request['expires_in'];
    }
    $header = ['typ' => 'JWT', 'alg' => $request['algorithm']];
    $input = base64url(json_encode($header)) . '.' . base64url(json_encode($claims));
    $tokens[] = $input . '.' . base64url(sign($input, $request['algorithm'], $document));
}
echo json_encode($tokens);
