// Demo works for user ana until the sidecar says no. Start one first: `quotad` serves an example plan.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"example.com/quota"
)

func main() {
	address := os.Getenv("QUOTAD_ADDRESS")
	if address == "" {
		address = "127.0.0.1:7450"
	}
	client, err := quota.New(address, quota.Deny)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for err == nil {
		err = work(context.Background(), client)
	}
	var denied *quota.Denied
	if !errors.As(err, &denied) {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", denied.Reason, denied)
}

func work(ctx context.Context, client *quota.Client) error {
	hold, err := client.Reserve(ctx, quota.Request{User: "ana", Credits: 300})
	if err != nil {
		return err
	}
	defer hold.Release(ctx)
	answer, err := hold.Commit(ctx, 250) // the work, and what it really took
	if err != nil {
		return err
	}
	fmt.Printf("held %d; committed %d\n", hold.Granted, answer.GetCommitted())
	return nil
}
