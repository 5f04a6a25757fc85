// Gpus is a device plugin that offers GPUs which are only said to be there: pods can ask for them, and get nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	version  = "1.0"
	resource = "nvidia.com/gpu"
)

type plugin struct {
	api.UnimplementedDevicePluginServer
	devices []*api.Device
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (p *plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	if err := stream.Send(&api.ListAndWatchResponse{Devices: p.devices}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (p *plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	response := &api.AllocateResponse{}
	for range request.ContainerRequests {
		response.ContainerResponses = append(response.ContainerResponses, &api.ContainerAllocateResponse{})
	}
	return response, nil
}

func main() {
	count := flag.Int("count", 2, "how many GPUs to offer")
	shown := flag.Bool("version", false, "print the version")
	flag.Parse()
	if *shown {
		fmt.Println("gpus", version)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server := &plugin{}
	for number := range *count {
		server.devices = append(server.devices, &api.Device{ID: fmt.Sprintf("gpu-%d", number), Health: api.Healthy})
	}
	for ctx.Err() == nil {
		if err := offer(ctx, server); err != nil {
			log.Print(err)
		}
		pause(ctx)
	}
}

// offer serves one life of the kubelet: a kubelet that starts removes every plugin's socket, and knows no plugin.
func offer(ctx context.Context, server *plugin) error {
	socket := filepath.Join(api.DevicePluginPath, "one-ring-gpus.sock")
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	serving := grpc.NewServer()
	defer serving.Stop()
	api.RegisterDevicePluginServer(serving, server)
	go serving.Serve(listener)
	if err := register(ctx, filepath.Base(socket)); err != nil {
		return err
	}
	log.Printf("offering %d of %s", len(server.devices), resource)
	for ctx.Err() == nil && exists(socket) {
		pause(ctx)
	}
	return nil
}

func register(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	connection, err := grpc.NewClient("unix://"+api.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	request := &api.RegisterRequest{Version: api.Version, Endpoint: endpoint, ResourceName: resource}
	_, err = api.NewRegistrationClient(connection).Register(ctx, request)
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
}
