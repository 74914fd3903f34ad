// A token check inside nginx, in njs.
import cr from 'crypto';
import qs from 'querystring';

const KEY = '@KEY@';

function decoded(segment) {
    return JSON.parse(Buffer.from(segment, 'base64url').toString());
}

async function signed(algorithm, parts) {
    const input = parts[0] + '.' + parts[1];
    if (algorithm === 'HS256') {
        return cr.createHmac('sha256', KEY).update(input).digest('base64url') === parts[2];
    }
    const scheme = {name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256'};
    const der = Buffer.from(KEY.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const key = await crypto.subtle.importKey('spki', der, scheme, false, ['verify']);
    return crypto.subtle.verify(scheme, key, Buffer.from(parts[2], 'base64url'), input);
}

function opens(claims, room) {
    const now = Date.now() / 1000;
    return claims.exp > now && (claims.nbf === undefined || claims.nbf <= now)
        && claims.iss === '@ISSUER@' && claims.aud === '@AUDIENCE@' && claims.sub !== undefined
        && (claims.room === '*' || claims.room === room);
}

async function auth(r) {
    try {
        const uri = r.variables.request_uri.split('?');
        const parts = qs.parse(uri[1]).jwt.split('.');
        const good = decoded(parts[0]).alg === '@ALGORITHM@' && await signed('@ALGORITHM@', parts);
        const room = uri[0].slice(uri[0].lastIndexOf('/') + 1);
        r.return(good && opens(decoded(parts[1]), room) ? 200 : 403);
    } catch (e) {
        r.return(401);
    }
}

export default {auth};
