// Makes tokens with golang-jwt: reads token requests from standard input, writes tokens to standard output.
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

type input struct {
	Secret     string    `json:"secret"`
	PrivateKey string    `json:"private_key"`
	Requests   []request `json:"requests"`
}

func sign(in input, r request) (string, error) {
	if r.ExpiresIn != nil {
		r.Claims["exp"] = time.Now().Unix() + *r.ExpiresIn
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(r.Algorithm), r.Claims)
	if r.Algorithm == "HS256" {
		return token.SignedString([]byte(in.Secret))
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(in.PrivateKey))
	if err != nil {
		return "", err
	}
	return token.SignedString(key)
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		log.Fatal(err)
	}
	tokens := []string{}
	for _, r := range in.Requests {
		token, err := sign(in, r)
		if err != nil {
			log.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	if err := json.NewEncoder(os.Stdout).Encode(tokens); err != nil {
		log.Fatal(err)
	}
}
