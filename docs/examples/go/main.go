// Command voicegateway says a WAV file to a Voice Gateway and saves the reply:
//
//	voicegateway localhost:50051 question.wav reply.wav
//
// The WAV must be 16-bit mono, at a rate that the server lists (`voice-client capabilities`).
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "example.com/voicegateway/gen/v1"
)

const (
	frame       = 40 * time.Millisecond
	sampleBytes = 2
)

type sound struct {
	rateHz int32
	pcm    []byte
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: voicegateway HOST:PORT QUESTION.wav REPLY.wav")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "voicegateway:", err)
		os.Exit(1)
	}
}

func run(server, questionFile, replyFile string) error {
	question, err := readWAV(questionFile)
	if err != nil {
		return err
	}
	reply, err := talk(context.Background(), server, question)
	if err != nil {
		return err
	}
	if len(reply.pcm) == 0 {
		return errors.New("the server said nothing")
	}
	return writeWAV(replyFile, reply)
}

func talk(ctx context.Context, server string, question sound) (sound, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the sender stops, however this ends
	connection, err := grpc.NewClient(server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return sound{}, err
	}
	defer connection.Close()
	call, err := pb.NewVoiceGatewayServiceClient(connection).Converse(ctx)
	if err != nil {
		return sound{}, err
	}
	format := &pb.AudioFormat{Encoding: pb.AudioEncoding_AUDIO_ENCODING_LINEAR_PCM, SampleRateHz: question.rateHz}
	start := &pb.Start{AudioIn: format, AudioOut: format}
	if err := call.Send(&pb.ConverseRequest{Payload: &pb.ConverseRequest_Start{Start: start}}); err != nil && err != io.EOF {
		return sound{}, err // io.EOF: the status that Recv gives says why
	}
	var reply sound
	for {
		message, err := call.Recv()
		if err == io.EOF { // status OK
			return reply, nil
		}
		if err != nil {
			return sound{}, err
		}
		switch payload := message.Payload.(type) {
		case *pb.ConverseResponse_Started:
			fmt.Println("session", payload.Started.SessionId)
			reply.rateHz = payload.Started.AudioOut.SampleRateHz
			go sendAudio(ctx, call, question)
		case *pb.ConverseResponse_Transcript:
			if payload.Transcript.IsFinal {
				fmt.Println("you:  ", payload.Transcript.Text)
			}
		case *pb.ConverseResponse_ReplyText:
			fmt.Println("agent:", strings.TrimSpace(payload.ReplyText.Text))
		case *pb.ConverseResponse_ReplyAudio:
			reply.pcm = append(reply.pcm, payload.ReplyAudio.Data...)
		case *pb.ConverseResponse_Notice:
			fmt.Fprintln(os.Stderr, "notice:", payload.Notice.Reason, payload.Notice.Message)
		default: // a payload that this client does not need, or does not know yet
		}
	}
}

// sendAudio says the question as fast as a person would, and then that nothing more comes: the server answers what it
// has heard and ends the call. An error of Send is left to Recv, which knows the status.
func sendAudio(ctx context.Context, call grpc.BidiStreamingClient[pb.ConverseRequest, pb.ConverseResponse], question sound) {
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	size := int(int64(question.rateHz)*frame.Milliseconds()/1000) * sampleBytes
	for at := 0; at < len(question.pcm); at += size {
		audio := &pb.AudioInput{
			Data:          question.pcm[at:min(at+size, len(question.pcm))],
			OffsetSamples: int64(at / sampleBytes),
		}
		if call.Send(&pb.ConverseRequest{Payload: &pb.ConverseRequest_Audio{Audio: audio}}) != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
	_ = call.CloseSend()
}

func readWAV(file string) (sound, error) {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return sound{}, err
	}
	if len(bytes) < 12 || string(bytes[:4]) != "RIFF" {
		return sound{}, fmt.Errorf("%s is no WAV file", file)
	}
	var found sound
	for at := 12; at+8 <= len(bytes); {
		name, size := string(bytes[at:at+4]), int(binary.LittleEndian.Uint32(bytes[at+4:]))
		body := bytes[at+8 : min(at+8+size, len(bytes))]
		switch {
		case name == "fmt " && len(body) >= 16:
			kind, channels, bits := body[0:], body[2:], body[14:]
			if binary.LittleEndian.Uint16(kind) != 1 || binary.LittleEndian.Uint16(channels) != 1 || binary.LittleEndian.Uint16(bits) != 16 {
				return sound{}, fmt.Errorf("%s is not 16-bit mono", file)
			}
			found.rateHz = int32(binary.LittleEndian.Uint32(body[4:]))
		case name == "data":
			found.pcm = body[:len(body)-len(body)%sampleBytes]
			return found, nil
		}
		at += 8 + size + size%2
	}
	return sound{}, fmt.Errorf("%s has no audio", file)
}

func writeWAV(file string, reply sound) error {
	head := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(36+len(reply.pcm)))...)
	head = append(head, "WAVEfmt "...)
	head = binary.LittleEndian.AppendUint32(head, 16)
	head = binary.LittleEndian.AppendUint16(head, 1) // PCM
	head = binary.LittleEndian.AppendUint16(head, 1) // mono
	head = binary.LittleEndian.AppendUint32(head, uint32(reply.rateHz))
	head = binary.LittleEndian.AppendUint32(head, uint32(reply.rateHz*sampleBytes))
	head = binary.LittleEndian.AppendUint16(head, sampleBytes)
	head = binary.LittleEndian.AppendUint16(head, 16)
	head = append(head, "data"...)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(reply.pcm)))
	return os.WriteFile(file, append(head, reply.pcm...), 0o644)
}
