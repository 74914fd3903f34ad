// Tokens as Go programs make them: golang-jwt. Requests on standard input, tokens on standard output.
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/golang-jwt/jwt"
)

type request struct {
	Algorithm string        `json:"algorithm"`
	Claims    jwt.MapClaims `json:"claims"`
	ExpiresIn *int64        `json:"expires_in"`
}

type order struct {
	Secret     string    `json:"secret"`
	PrivateKey string    `json:"private_key"`
	Requests   []request `json:"requests"`
}

func sign(o order, r request) (string, error) {
	if r.ExpiresIn != nil {
		r.Claims["exp"] = time.Now().Unix() + *r.ExpiresIn
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(r.Algorithm), r.Claims)
	if r.Algorithm == "HS256" {
		return token.SignedString([]byte(o.Secret))
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(o.PrivateKey))
	if err != nil {
		return "", err
	}
	return token.SignedString(key)
}

func main() {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		log.Fatal(err)
	}
	tokens := []string{}
	for _, r := range o.Requests {
		token, err := sign(o, r)
		if err != nil {
			log.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	if err := json.NewEncoder(os.Stdout).Encode(tokens); err != nil {
		log.Fatal(err)
	}
}
